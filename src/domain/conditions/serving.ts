import { failsOnBoth } from '../common-cause.js';
import { formatCount } from '../format.js';
import { doubtOf } from '../lost-role.js';
import type { OperationRecord } from '../operation.js';
import type { Mode } from '../transitions.js';
import type { Condition, Known, Severity } from './condition.js';

const QUIET = 600_000;
const HOUR = 3_600_000;
const STAND_DOWN_PATIENCE = 300_000;
/** Within an hour. Once or twice it may be a deploy or somebody at work. */
const MANY_RESTARTS = 3;

/** What became of a primary whose agent did not answer; until it answers again, for then it knows who is primary. */
const oldPrimary = (
  event: string,
  { severity, says, over }: { severity: Severity; says: string; over: string },
): Condition => ({
  severity,
  when: ({ peer, fenced }) => {
    if (peer.reachable) return false;
    return fenced?.event === event ? true : undefined;
  },
  says,
  because: ({ fenced }) => fenced?.message,
  remedy: ({ fenced }) => fenced?.remedy ?? '',
  alarm: { over },
});

/** Over when one has worked, or when nobody has tried for an hour. Each reason is announced once. */
const failedOperation = (
  kind: 'promote' | 'handover',
  { severity, says, unless }: { severity: Severity; says: string; unless: Mode },
): Condition => ({
  // Whoever asked for a takeover from a healthy primary was wrong: the users are served.
  severity: ({ latest }) => (latest?.[kind]?.error?.code === 'primary-healthy' ? 'info' : severity),
  when: ({ latest, mode, now }) => {
    const record = latest?.[kind];
    // A promote that has committed is this node's own outage. A handover has come back if this node can have the alarm.
    const isElsewhere = kind === 'promote' && record?.committed;
    if (mode === unless || !record?.error || isElsewhere) return false;
    return now - Date.parse(record.endedAt ?? record.startedAt) <= HOUR;
  },
  says,
  because: ({ latest }) => {
    const { source, state, error } = latest?.[kind] ?? {};
    return error && `the ${kind} that ${source} asked for is ${state}: ${error.message}`;
  },
  remedy: ({ latest }) => latest?.[kind]?.error?.remedy ?? '',
  alarm: { variant: ({ latest }) => latest?.[kind]?.error?.code ?? '' },
});

/** Who serves, who may, and what became of changing that. */
export const SERVING = {
  'app-down': {
    severity: 'critical',
    mode: 'primary',
    when: ({ serving }) => !serving,
    says: 'is the primary, and its app does not answer',
    because: (known) => {
      const error = lastStart(known)?.error;
      return `${known.app.detail}${error ? `; the last start failed: ${error.message}` : ''}`;
    },
    remedy: {
      page: "nothing within the first minutes: this agent starts the app again, unless the standby takes over. If neither happens, the page of the standby says why it does not. Then read the app's own log",
      terminal:
        "nothing within the first minutes: this agent starts the app again, unless the standby takes over. If neither happens, coldspare --peer history says why the standby does not; coldspare history shows the last start here. Then read the app's own log",
      http: (known) =>
        lastStart(known)?.error?.remedy ??
        "the agent starts it again by itself; read the app's own log",
    },
    isProblem: true,
    alarm: {
      when: ({ app, pause, operation, serving }) => {
        // A handover stops it, and says itself what came of it; a pause is there for that.
        const isMeant = pause !== null || operation?.kind === 'handover';
        return app.checkedAt === null || isMeant ? undefined : !serving;
      },
      holds: ({ appRestartAfter }) => appRestartAfter,
      over: 'the app answers',
    },
  },
  'app-restarts': {
    severity: 'warning',
    mode: 'primary',
    when: (facts) => recentRestarts(facts).length >= MANY_RESTARTS,
    says: 'has had to start its app again and again, within an hour',
    because: (known) => {
      const reasons = recentRestarts(known).map(({ reason }) => reason);
      const counted = [...new Set(reasons)].map((reason) => {
        const times = reasons.filter((other) => other === reason).length;
        return `${reason} (${formatCount(times, 'time')})`;
      });
      return `restarted ${formatCount(reasons.length, 'time')}: ${counted.join(', ')}`;
    },
    remedy: {
      page: "read the app's own log: something ends it, and each start costs the users some seconds. The boots in the history show when",
      terminal:
        "read the app's own log: something ends it, and each start costs the users some seconds. coldspare history shows when",
      http: ({ node }) =>
        `read the app's own log: something ends it, and each start costs the users some seconds. GET /operations on ${node} shows when`,
    },
    isProblem: true,
    alarm: { over: 'for an hour its app has not been started again so often' },
  },
  'fails-on-both': {
    severity: 'critical',
    mode: 'primary',
    when: ({ serving, operation, unserved, app }) => {
      if (operation !== null && !serving) return undefined;
      return !serving && failsOnBoth(unserved, app.detail);
    },
    says: 'has taken over, and its app fails as it did on the other server: no server is lost',
    because: ({ app, unserved }) => `${app.detail} here, ${unserved?.detail} there`,
    remedy:
      'look at what both servers share: the release, the data, APP_HEALTH_URL with its certificate, Host (APP_HEALTH_HOST) and accepted answers (APP_HEALTH_STATUS). Neither server takes over from the other until the app has answered well',
    isProblem: true,
    alarm: { over: 'the app answers' },
  },
  'health-unfit': {
    severity: 'critical',
    mode: 'primary',
    when: ({ serving, operation, isHealthProven, app }) => {
      if (operation !== null && !isHealthProven) return undefined;
      return !serving && !isHealthProven && app.checkedAt !== null;
    },
    says: 'has never got a yes from APP_HEALTH_URL, so a no from there starts no takeover',
    because: ({ app }) => app.detail,
    remedy:
      'see whether the app runs. If it does, correct APP_HEALTH_URL: it must answer 2xx when the app does its job. APP_HEALTH_HOST names another Host, and APP_HEALTH_STATUS accepts other answers',
    isProblem: true,
    alarm: { holds: ({ appRestartAfter }) => appRestartAfter, over: 'APP_HEALTH_URL has said yes' },
  },
  'app-unready': {
    severity: 'critical',
    when: ({ app: { cannotStart } }) =>
      cannotStart === undefined ? undefined : cannotStart !== null,
    says: 'could not start its app now',
    because: ({ app }) => app.cannotStart,
    remedy: {
      page: 'build or pull the missing image on this server. It is looked at again within a minute',
      terminal:
        'on that server, in the directory of its compose file: docker compose build, or docker compose pull. It is looked at again within a minute',
      http: 'on that server, in the directory of its compose file: docker compose build, or docker compose pull. It is looked at again within a minute',
    },
    isProblem: true,
    preventsHandover: true,
    alarm: { over: 'everything is there that its app needs to start' },
  },
  'not-opened': {
    severity: 'critical',
    mode: 'primary',
    // Without its app it is app-down.
    when: ({ serving, unopened }) => serving && typeof unopened === 'string',
    says: 'is the primary, and its app answers, but the agent could not open the database, so VCL1 sends nobody there and no backup is taken',
    because: ({ unopened }) => unopened,
    remedy: {
      page: 'the last boot in the history says what is wrong. It is tried again by itself',
      terminal:
        'coldspare history: its last boot says what to do. It is tried again by itself; systemctl restart coldspare tries at once',
      http: ({ node }) =>
        `GET /operations on ${node}: its last boot says what to do. It is tried again by itself`,
    },
    isProblem: true,
    alarm: { over: 'its database is open' },
  },
  'image-differs': {
    severity: 'warning',
    when: ({ app: { kept } }) => (kept === undefined ? undefined : kept.length > 0),
    says: 'has compose files that name another image than the one that runs',
    because: ({ app }) => app.kept?.join('; '),
    remedy:
      'write what names the image, such as TAG=…, into the .env beside the compose file, on both servers. To have what the files name now, type docker compose up -d there',
    isProblem: true,
    alarm: { over: 'its compose files name the image that it runs' },
  },
  yielding: {
    severity: 'critical',
    when: ({ mode }) => mode === 'yielding',
    says: 'has promised not to serve until the other server says whether it took over',
    because: ({ yielding, peer }) =>
      yielding &&
      `${doubtOf(yielding) === undefined ? `${yielding.operation} is undecided` : 'its own state was lost or is older than its data, and it looks for its role'}${peer.reachable ? '' : ', and the other agent does not answer'}`,
    remedy: {
      page: 'nothing, as long as the other server answers. When it is gone for good, press "Promote" on the page of the one that yields, with force',
      terminal:
        'nothing, as long as the other server answers. When it is gone for good: coldspare promote --force on the one that yields',
      http: ({ node }) =>
        `when the other node is gone for good: POST /promote {"force": true} on ${node}`,
    },
    isProblem: true,
    alarm: {
      when: ({ mode, peer }) => {
        if (mode !== 'yielding') return false;
        return peer.checkedAt === null ? undefined : !peer.reachable;
      },
      holds: ({ failedChecks }) => failedChecks,
      over: 'the other node can say again who serves',
    },
  },
  'standing-down': {
    severity: 'warning',
    when: ({ isStandingDown }) => isStandingDown,
    says: 'was superseded, and has not set its database aside yet',
    because: ({ latest }) =>
      latest && (latest['stand-down']?.error?.message ?? 'it is still trying'),
    remedy: {
      page: 'the last stand-down in the history says what it waits for',
      terminal: 'coldspare history: its last stand-down says what it waits for',
      http: ({ latest, node }) =>
        latest?.['stand-down']?.error?.remedy ??
        `GET /operations on ${node} says what it waits for`,
    },
    isProblem: true,
    preventsHandover: true,
    alarm: { holds: () => STAND_DOWN_PATIENCE, over: 'its database is set aside' },
  },
  'serving-alone': {
    severity: 'warning',
    when: ({ peer, alone, serving }) => {
      if (peer.reachable) return false;
      // One that waits has its app down, which is announced.
      return alone === null || !serving ? undefined : true;
    },
    says: 'serves, and could not ask the other server',
    because: ({ alone }) => alone,
    remedy:
      'check the other node; if it serves too, it has the higher epoch and this one stands down when they meet',
    alarm: { over: 'the other agent answers, and has said who is primary' },
  },
  'not-fenced': oldPrimary('not-fenced', {
    severity: 'critical',
    says: 'could not fence the old primary',
    over: 'the old primary answers again',
  }),
  'fenced-by-ssh': oldPrimary('fenced-by-ssh', {
    severity: 'warning',
    says: 'has fenced the old primary over SSH',
    over: 'the agent of the old primary answers again',
  }),
  'promote-failed': failedOperation('promote', {
    severity: 'critical',
    says: 'did not take over',
    unless: 'primary',
  }),
  'handover-failed': failedOperation('handover', {
    severity: 'warning',
    says: 'did not hand over',
    unless: 'standby',
  }),
  'app-stopped': {
    severity: 'warning',
    when: ({ foreignApp, now, upFor = 0 }) => {
      // An agent that has just started does not know what the one before it stopped.
      if (foreignApp === undefined) return upFor < QUIET ? undefined : false;
      return now - foreignApp.at <= QUIET;
    },
    says: 'stopped an app that somebody else had started',
    because: ({ foreignApp }) => foreignApp?.value,
    remedy:
      'find what starts it (a restart policy, systemctl is-enabled, cron) and take it out: the agent alone starts the app',
    alarm: {},
  },
  'pause-ended': {
    severity: (facts) => (isDue(facts) ? 'warning' : 'info'),
    when: ({ lastPause, pause, now }) =>
      lastPause !== null && pause === null && now - Date.parse(lastPause.until) <= HOUR,
    says: 'goes on with failover and failback, for its pause has ended',
    because: (known) =>
      [
        ...(known.lastPause?.reason ? [`it was for ${known.lastPause.reason}`] : []),
        ...(isDue(known) ? ['the primary does not serve'] : []),
      ].join('; '),
    remedy: ({ node }) => `when the work is not done: POST /pause on ${node}`,
    alarm: { variant: ({ lastPause }) => lastPause?.until ?? '' },
  },
} satisfies Record<string, Condition>;

const recentRestarts = ({ restarts = [], now = 0 }: Known) =>
  restarts.filter(({ at }) => now - at <= HOUR);

/** The operation that started the app last, or failed to. */
const lastStart = ({ latest }: Known): OperationRecord | undefined =>
  [latest?.boot, latest?.promote]
    .filter((record) => record !== undefined)
    .sort((a, b) => (b.endedAt ?? '').localeCompare(a.endedAt ?? ''))[0];

/** The monitor may take over now that the pause has ended. */
const isDue = ({ mode, peerServes }: Known): boolean => mode === 'standby' && peerServes === false;
