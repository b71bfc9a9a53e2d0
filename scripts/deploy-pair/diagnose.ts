import { sayDuration } from '../../src/pure/duration.js';
import type { Starter } from './starters.js';
import type { Stop } from './stop.js';
import type { Survey } from './survey.js';

/** A server that does not let us in, and why. */
export interface Blind {
  name: string;
  stop: Stop;
}

/** A server that does. */
export type Sight = Survey & { starters: Starter[] };

/** One thing that is wrong. */
export interface Finding {
  server: string;
  what: string;
  remedy: string;
  /** A new backup would put it right. */
  isCuredByBackup?: boolean;
}

/** Milliseconds that two clocks may differ. */
const CLOCK_TOLERANCE = 5_000;
/** Part of a disk that has to be free, and how many more backups have to fit on it. */
const FREE_SHARE = 0.1;
const FREE_BACKUPS = 3;

/** What is wrong with a pair, from what was seen of both: the cause before what follows from it. */
export const diagnose = (views: readonly (Sight | Blind)[]): Finding[] => {
  const sights = views.filter((view): view is Sight => !('stop' in view));
  const locked = views.filter((view): view is Blind => 'stop' in view);
  return [
    ...locked.map(({ name, stop }) => ({
      server: name,
      what: stop.message.replace(`${name}: `, ''),
      remedy: stop.remedy,
    })),
    ...diagnoseAgents(sights),
    ...diagnoseMachines(sights),
  ];
};

/** Of the agents: after a start, some of this passes by itself. */
export const diagnoseAgents = (sights: readonly Survey[]): Finding[] => {
  const [one, other] = sights;
  return [
    ...sights.flatMap(diagnoseService),
    ...(one && other ? diagnosePair(one, other) : []),
    ...sights.flatMap(diagnoseNode),
  ];
};

/** Of the machines below them. */
export const diagnoseMachines = (sights: readonly Sight[]): Finding[] => {
  const [one, other] = sights;
  return [...(one && other ? diagnoseClocks(one, other) : []), ...sights.flatMap(diagnoseMachine)];
};

const diagnoseService = ({ name: server, service, current, status }: Survey): Finding[] => {
  const found: Finding[] = [];
  const add = (what: string, remedy: string) => found.push({ server, what, remedy });
  if (current === undefined) {
    add('nothing is deployed here', './scripts/deploy');
    return found;
  }
  if (!service.isRunning) {
    add(
      `the agent does not run (systemd says ${service.active}, ${service.sub})`,
      `on ${server}: journalctl -u coldspare -n 50, then systemctl start coldspare`,
    );
  } else if (status === undefined) {
    add(
      'the agent runs, but does not answer',
      `on ${server}: journalctl -u coldspare -n 50, then systemctl restart coldspare`,
    );
  }
  if (!service.isEnabled) {
    add('the agent does not start at boot', `on ${server}: systemctl enable coldspare`);
  }
  if (service.isRunning && service.deployment !== current) {
    add(
      `the agent that runs is of ${service.deployment ?? 'no deployment'}, installed is ${current}`,
      './scripts/deploy, which restarts it; the app goes on',
    );
  }
  return found;
};

/** What only a look at both shows. */
const diagnosePair = (one: Survey, other: Survey): Finding[] => {
  const found: Finding[] = [];
  const add = (what: string, remedy: string) => found.push({ server: 'pair', what, remedy });
  const both = (show: (survey: Survey) => unknown) =>
    `${one.name} ${show(one) ?? 'none'}, ${other.name} ${show(other) ?? 'none'}`;
  if (one.current !== other.current) {
    add(
      `the versions differ: ${both(({ current }) => current)}`,
      './scripts/deploy brings both to the same',
    );
  }
  if (one.variables.PEER_TOKEN !== other.variables.PEER_TOKEN) {
    add(
      'PEER_TOKEN differs, so neither agent lets the other in',
      './scripts/deploy gives both the one of the .secrets file',
    );
  }
  const [first, second] = [one.status, other.status];
  if (first === undefined || second === undefined) return found;
  if (first.role === second.role) {
    add(
      `both are ${first.role}: ${both(({ status }) => `epoch ${status?.epoch}`)}`,
      first.role === 'primary'
        ? 'the one with the lower epoch stands down when the two reach each other: mend the way between them'
        : 'look which has the newer data (GET /backups), then POST /promote there',
    );
  }
  const isPrimaryBehind =
    (first.role === 'primary' && first.epoch < second.epoch) ||
    (second.role === 'primary' && second.epoch < first.epoch);
  if (isPrimaryBehind) {
    add(
      `the primary's epoch is the lower one: ${both(({ status }) => status?.epoch)}`,
      'it stands down when it hears of the other: mend the way between them',
    );
  }
  if (first.lineage !== null && second.lineage !== null && first.lineage !== second.lineage) {
    add(
      `the nodes hold databases of different lineages: ${both(({ status }) => status?.lineage)}`,
      'if the primary has the production data, POST /adopt on both nodes',
    );
  }
  return found;
};

const diagnoseClocks = (one: Survey, other: Survey): Finding[] => {
  const skew = Math.abs(one.clock.ahead - other.clock.ahead);
  if (skew - one.clock.uncertainty - other.clock.uncertainty <= CLOCK_TOLERANCE) return [];
  const what = `the clocks differ by ${sayDuration(skew)}, so the ages of backups are wrong`;
  return [{ server: 'pair', what, remedy: 'run a time service on both: timedatectl set-ntp true' }];
};

/** What a node says of itself. The manual has a row for each of its problems. */
const diagnoseNode = ({ name: server, status, variables }: Survey): Finding[] => {
  if (status === undefined) return [];
  const { peer, latestBackup, push, policy } = status;
  const found: Finding[] = [];
  const add = (what: string, remedy: string) => found.push({ server, what, remedy });
  if (!peer.reachable) {
    add(
      `it does not reach the other agent at ${peer.url}: ${peer.error ?? 'not asked yet'}`,
      `open that port between the servers: curl ${peer.url}/health on ${server} has to answer`,
    );
  }
  if (variables.PEER_SSH && !peer.ssh?.works) {
    add(
      `it could not fence the other machine over SSH: ${peer.ssh?.error ?? 'not tried yet'}`,
      'check PEER_SSH, PEER_SSH_KEY and PEER_SSH_HOST_KEY of this server',
    );
  }
  for (const problem of status.problems) {
    if (problem === 'backup-stale') {
      found.push({
        server,
        what:
          latestBackup === null
            ? 'it has no backup: the schedule never came to one'
            : `its newest backup ${latestBackup.id} is ${sayDuration(latestBackup.ageSeconds * 1_000)} old, the limit is ${sayDuration(policy.backupMaxAgeSeconds * 1_000)}`,
        remedy: 'POST /backups on the primary, read what it answers, and check BACKUP_CRON',
        isCuredByBackup: true,
      });
    } else if (problem === 'push-failing') {
      found.push({
        server,
        what: `backups do not reach the other node: ${push.error}`,
        remedy: 'it is tried again by itself; POST /backups on the primary tries now',
        isCuredByBackup: true,
      });
    } else {
      add(problem, '"When an alarm comes" in wrangler-free-readme.md');
    }
  }
  return found;
};

const diagnoseMachine = (sight: Sight): Finding[] => {
  const { name: server, disks, entries, starters, status } = sight;
  const file = Object.keys(entries).find((path) => path.endsWith('/coldspare.env')) ?? '';
  const mode = entries[file]?.mode ?? '600';
  const reserve = (status?.latestBackup?.bytes ?? 0) * FREE_BACKUPS;
  return [
    ...disks
      .filter(
        ({ freeBytes, totalBytes }) => freeBytes < totalBytes * FREE_SHARE || freeBytes < reserve,
      )
      .map(({ path, freeBytes, totalBytes }) => ({
        server,
        what: `the disk of ${path} has ${sayBytes(freeBytes)} of ${sayBytes(totalBytes)} left`,
        remedy: `make room, or keep fewer backups (BACKUP_KEEP); du -sh ${path}/*`,
      })),
    ...(mode === '600'
      ? []
      : [
          {
            server,
            what: `coldspare.env holds keys and has the mode ${mode}`,
            remedy: `on ${server}: chmod 600 ${file}, and ./scripts/deploy --rotate-keys`,
          },
        ]),
    ...starters.map(({ what, remedy }) => ({
      server,
      what: `${what}: after a reboot the app could serve before its agent has asked the other one`,
      remedy: `on ${server}: ${remedy}`,
    })),
  ];
};

const sayBytes = (bytes: number): string =>
  bytes < 1024 ** 3
    ? `${Math.round(bytes / 1024 ** 2)} MB`
    : `${(bytes / 1024 ** 3).toFixed(1)} GB`;
