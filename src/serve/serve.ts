import { ColdspareError } from '../domain/errors.js';
import { formatDuration } from '../domain/format.js';
import type { Step } from '../engine/plan.js';
import { until } from '../engine/retry.js';
import { knowsHigherEpoch, type Node } from '../operations/node.js';
import { formatProbe, isHealthy, type ProbeResult } from '../ports/probe.js';
import { applyFenceMarker } from './fence-marker.js';

const POLL_PAUSE = 100;

/** From a database that is proven to an app that answers. Only a primary that has promised nothing gets here. */
export const serveSteps = (node: Node): Step[] => [
  {
    name: 'open-database',
    run: async ({ signal }) => {
      assertPrimary(node);
      const { database } = node.stack;
      await database.start(signal);
      const { marker } = await database.live();
      // The guard goes by it: what it saw before an adoption or a swap is not what is served now.
      observeDatabase(node, { answers: true, marker });
      if (marker === undefined || marker.lineage !== node.state.current.lineage)
        throw notOurData(node, marker?.lineage);
      // Whoever started it: nobody may read here what the other node writes past.
      if (marker.fenced !== undefined) await stopApp(node, signal);
      // Before the thaw, which would end the dump that the other node may be taking over SSH.
      await applyFenceMarker(node, marker);
      // Before the first write: a database that has served is never again taken for the backup's content (H07).
      const { epoch } = node.state.current;
      const { lineage, backup, fenced } = marker;
      if (!marker.served || marker.epoch !== epoch || fenced !== undefined)
        await database.mark({ lineage, epoch, backup, served: true });
      await database.thaw();
      // A fence that came in between was taken back by the thaw, but not the word that it left.
      await applyFenceMarker(node, (await database.live()).marker ?? {});
      node.observed.opened = true;
      return undefined;
    },
  },
  ...startAppSteps(node),
];

/** The rest of it, on a database that is open. */
export const startAppSteps = (node: Node): Step[] => [
  {
    name: 'start-app',
    run: async ({ signal }) => {
      assertPrimary(node);
      // A restarted agent finds its app at work and leaves it alone.
      const { app } = node.stack;
      if (isHealthy(await app.check()) && (await app.isWhole?.()) !== false)
        return 'it runs already';
      await startApp(node, signal);
      return undefined;
    },
  },
  {
    name: 'wait-for-app',
    run: async ({ signal }) => {
      const began = node.clock.elapsed();
      await appAnswers(node, signal);
      return `answered after ${formatDuration(node.clock.elapsed() - began)}`;
    },
  },
];

/** Starts the app, and stops it again when this node may not serve any more by then. */
const startApp = async (node: Node, signal: AbortSignal): Promise<void> => {
  await node.stack.app.start(signal);
  if (node.state.current.mode === 'primary') return;
  await stopApp(node, signal);
  assertPrimary(node);
};

/** Stops the app and remembers that it does not answer, so that no load balancer is told otherwise meanwhile. */
export const stopApp = async (node: Node, signal: AbortSignal): Promise<void> => {
  observeApp(node, { outcome: 'refuses', detail: 'stopped by the agent' });
  await node.stack.app.stop(signal);
};

export const stopAppStep = (node: Node): Step => ({
  name: 'stop-app',
  run: async ({ signal }) => {
    await stopApp(node, signal);
    return undefined;
  },
});

export const stopDatabaseStep = (node: Node): Step => ({
  name: 'stop-database',
  run: async ({ signal }) => {
    await node.stack.database.stop(signal);
    return undefined;
  },
});

const appAnswers = async (node: Node, signal: AbortSignal): Promise<void> => {
  const { appStartTimeout } = node.settings;
  let last: ProbeResult | undefined;
  const ask = async () => {
    last = await node.stack.app.check();
    observeApp(node, last);
    return isHealthy(last) ? last : undefined;
  };
  const wait = { timeout: appStartTimeout, pause: POLL_PAUSE, what: 'the app answers' };
  await until({ clock: node.clock, signal }, wait, ask).catch((cause: unknown) => {
    signal.throwIfAborted();
    throw new ColdspareError(
      'app-failed',
      `the app was started but does not answer at APP_HEALTH_URL after ${formatDuration(appStartTimeout)}: it ${last === undefined ? 'was not asked' : formatProbe(last)}`,
      "this node stays primary and starts the app again by itself; read the app's own log",
      { cause },
    );
  });
};

export const observeApp = (node: Node, value: ProbeResult): void => {
  node.observed.app = { value, at: node.clock.now() };
};

export const observeDatabase = (
  node: Node,
  value: NonNullable<Node['observed']['database']>['value'],
): void => {
  node.observed.database = { value, at: node.clock.now() };
};

export const assertPrimary = (node: Node): void => {
  const { mode, epoch } = node.state.current;
  if (mode === 'primary' && !knowsHigherEpoch(node)) return;
  throw new ColdspareError(
    'not-primary',
    `the app may not run here: this node is ${mode} at epoch ${epoch}`,
    'GET /status on both nodes shows who serves',
  );
};

const notOurData = ({ settings, state }: Node, found: string | undefined): ColdspareError =>
  new ColdspareError(
    'foreign-lineage',
    `${settings.databaseName} carries ${found === undefined ? 'no lineage' : `the lineage ${found}`}, expected ${state.current.lineage}: it was recreated, or was never adopted`,
    'promote the other node, which restores the newest backup; this one gets everything back by failback',
    { value: found ?? null },
  );
