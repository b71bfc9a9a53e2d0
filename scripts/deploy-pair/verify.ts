import { setTimeout as pause } from 'node:timers/promises';
import type { DryRun } from '../../src/domain/answers.js';
import type { Finding } from '../../src/domain/conditions/findings.js';
import { formatDuration } from '../../src/domain/format.js';
import type { OperationRecord } from '../../src/domain/operation.js';
import { diagnoseAgents, diagnoseMachines } from './diagnose.js';
import type { Progress } from './progress.js';
import type { Server } from './server.js';
import { findStarters } from './starters.js';
import { Stop } from './stop.js';
import { callAgent, type Survey, survey } from './survey.js';

/** Milliseconds for a pair to become healthy: a primary waits for its peer, and an app may build its caches. */
const WELL_DEADLINE = 5 * 60_000;
/** Milliseconds, enough to restore a large database. */
const RESTORE_DEADLINE = 60 * 60_000;
const LOOK_AGAIN = 1_000;

/** A healthy pair, as it was seen last. */
interface Nodes {
  primary: Node;
  standby: Node;
}

interface Node {
  server: Server;
  seen: Survey;
}

/** Waits until both agents are healthy and reach each other (H03). @throws Stop with what is wrong */
export const waitUntilWell = async (
  servers: readonly Server[],
  progress: Progress,
): Promise<Nodes> => {
  const deadline = performance.now() + WELL_DEADLINE;
  let said = '';
  for (;;) {
    const pair = await Promise.all(
      servers.map(async (server) => ({ server, seen: await survey(server) })),
    );
    // The next step takes a new backup, so one that is too old does not matter here.
    const wrong = diagnoseAgents(pair.map(({ seen }) => seen)).filter(
      ({ isCuredByBackup }) => !isCuredByBackup,
    );
    const primary = pair.find(({ seen }) => seen.status?.role === 'primary');
    const standby = pair.find(({ seen }) => seen.status?.role === 'standby');
    if (wrong.length === 0 && primary !== undefined && standby !== undefined) {
      for (const node of pair) reportHealthy(node, progress);
      return { primary, standby };
    }
    const summary = wrong.map(({ server, what }) => `${server}: ${what}`).join('; ');
    if (performance.now() > deadline) throw notWell(wrong);
    if (summary !== said) progress.tell('pair', 'verify', `waiting: ${summary}`);
    said = summary;
    await pause(LOOK_AGAIN);
  }
};

const reportHealthy = ({ server, seen: { status } }: Node, progress: Progress): void => {
  if (status === undefined) return;
  const { role, epoch, serving, peer } = status;
  const overSsh = peer.ssh?.works ? ' and its machine over SSH' : '';
  const what = `${role} at epoch ${epoch}${serving ? ', serving' : ''}, reaches ${peer.url}${overSsh}`;
  progress.tell(server.name, 'verify', what);
};

/** Prints what is wrong but does not keep the pair from working now. */
export const warn = async ({ primary, standby }: Nodes, progress: Progress): Promise<void> => {
  const examined = await Promise.all(
    [primary, standby].map(async ({ server, seen }) => ({
      ...seen,
      starters: await findStarters(server, seen.variables),
    })),
  );
  for (const { server, what, remedy } of diagnoseMachines(examined))
    progress.tell(server, 'warning', `${what}; ${remedy}`);
};

const notWell = (wrong: readonly Finding[]): Stop =>
  new Stop(
    `the pair is not well after ${formatDuration(WELL_DEADLINE)}:\n${wrong.map(({ server, what, remedy }) => `  ${server}: ${what}\n    ${remedy}`).join('\n')}`,
    'put that right and run the same command again, or go back: ./scripts/deploy --rollback',
  );

/** Makes sure that both nodes have the same recent backup. Resolves to its id. @throws Stop */
export const ensureBackup = async (
  { primary, standby }: Nodes,
  progress: Progress,
): Promise<string> => {
  let common = commonBackup(primary.seen, standby.seen);
  if (common === undefined) {
    await progress.make(primary.server.name, {
      step: 'backup',
      what: `take a backup and push it to ${standby.server.name}`,
      apply: () => run(primary.server, '/backups'),
    });
    common = commonBackup(await survey(primary.server), await survey(standby.server));
  }
  if (common === undefined) {
    throw new Stop(
      `${standby.server.name} has no backup that is the same as ${primary.server.name}'s newest`,
      'GET /operations on the primary shows what became of the last ones',
    );
  }
  progress.tell(standby.server.name, 'backup', `${common} is on both, with the same digest`);
  return common;
};

/** The standby's newest backup, when it is fresh enough and the primary has the same one. */
const commonBackup = (primary: Survey, { status, backups }: Survey): string | undefined => {
  const newest = status?.latestBackup;
  if (!status || !newest || newest.ageSeconds >= status.policy.backupMaxAgeSeconds)
    return undefined;
  const digests = [primary.backups, backups].map(
    (list) => list.find(({ id }) => id === newest.id)?.sha256,
  );
  return digests[0] !== undefined && digests[0] === digests[1] ? newest.id : undefined;
};

/**
 * Waits until the standby has restored the backup and compared it with its manifest, as PREPARE=on-receive does by
 * itself. With PREPARE=on-promote it only asks what a takeover would restore. @throws Stop
 */
export const proveRestore = async (
  { standby: { server, seen } }: Nodes,
  backup: string,
  progress: Progress,
): Promise<void> => {
  if (seen.variables.PREPARE === 'on-promote') return rehearsePromote(server, progress);
  const deadline = performance.now() + RESTORE_DEADLINE;
  for (;;) {
    const { status } = await survey(server);
    const newest = status?.latestBackup;
    if (status?.replication?.line === 'replica')
      return progress.tell(
        server.name,
        'restore',
        `nothing to restore: ${status.replication.proven}`,
      );
    // A newer backup may have arrived meanwhile. Then that one counts.
    const proof = newest?.proof;
    // The preparation ends by making the app ready.
    if (newest && proof && status.operation?.kind !== 'prepare') {
      if (proof.error !== null)
        throw new Stop(
          `${server.name} could not restore ${newest.id}: ${proof.error}`,
          `GET /operations on ${server.name} shows the steps; a takeover would have to start from an older backup`,
        );
      if (status.app.cannotStart)
        throw new Stop(
          `${server.name} could not start its app now: ${status.app.cannotStart}`,
          `build or pull the image on ${server.name}, in the directory of its compose file: docker compose build, or docker compose pull. Then run the same command again`,
        );
      const took = formatDuration(proof.took);
      return progress.tell(server.name, 'restore', `${newest.id} restored and counted in ${took}`);
    }
    if (performance.now() > deadline) {
      throw new Stop(
        `${server.name} has not restored ${backup} within ${formatDuration(RESTORE_DEADLINE)}`,
        `wait for the prepare operation (GET /operations on ${server.name}), then run the same command again`,
      );
    }
    await pause(LOOK_AGAIN);
  }
};

const rehearsePromote = async (server: Server, progress: Progress): Promise<void> => {
  const call = { method: 'POST', path: '/promote', body: { dryRun: true } } as const;
  const { backup, refusal } = await callAgent<DryRun>(server, call);
  if (backup === null) {
    throw new Stop(
      `a takeover by ${server.name} would have no backup to start from: ${refusal?.message ?? ''}`,
      refusal?.remedy ?? 'POST /backups on the primary',
    );
  }
  const what = `a takeover would restore ${backup}; nobody has tried (PREPARE=on-promote), --prove does`;
  progress.tell(server.name, 'restore', what);
};

/** Hands over to the standby and back. Each node restores the other's last dump, verifies it and serves from it. */
export const proveHandover = async (
  { primary, standby }: Nodes,
  progress: Progress,
): Promise<void> => {
  for (const [from, to] of [
    [primary.server, standby.server],
    [standby.server, primary.server],
  ] as const) {
    await progress.make(from.name, {
      step: 'prove',
      what: `hand over to ${to.name}; writes are refused for some seconds, and none is lost`,
      apply: () => run(from, '/demote'),
    });
    await waitUntilWell([from, to], progress);
  }
};

/** Runs an operation and waits for its end. @throws Stop when it does not end as done */
const run = async (server: Server, path: string): Promise<void> => {
  const body = { reason: 'deploy' };
  const { state, error } = await callAgent<OperationRecord>(server, { method: 'POST', path, body });
  if (state === 'done') return;
  const { message, remedy } = error ?? { message: `it is ${state}`, remedy: undefined };
  throw new Stop(
    `${server.name}: POST ${path}: ${message}`,
    remedy ?? 'GET /operations shows more',
  );
};
