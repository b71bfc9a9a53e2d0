import {
  type Finding,
  findingOf,
  nodeFindings,
  pairFindings,
} from '../../src/domain/conditions/findings.js';
import { formatBytes, formatDuration } from '../../src/domain/format.js';
import type { Starter } from './starters.js';
import type { Stop } from './stop.js';
import type { Survey } from './survey.js';

/** A server that could not be reached over SSH, and why. */
export interface UnreachableServer {
  name: string;
  stop: Stop;
}

/** A server that was looked at. */
export type ExaminedServer = Survey & { starters: Starter[] };

/** Milliseconds that the two clocks may differ. */
const CLOCK_TOLERANCE = 5_000;
/** The share of a disk that has to be free, and the number of further backups that have to fit on it. */
const FREE_SHARE = 0.1;
const FREE_BACKUPS = 3;

/** What is wrong with a pair. Causes come before what follows from them. */
export const diagnose = (views: readonly (ExaminedServer | UnreachableServer)[]): Finding[] => {
  const servers = views.filter((view): view is ExaminedServer => !('stop' in view));
  const unreachable = views.filter((view): view is UnreachableServer => 'stop' in view);
  return [
    ...unreachable.map(({ name, stop }) => ({
      server: name,
      what: stop.message.replace(`${name}: `, ''),
      remedy: stop.remedy,
    })),
    ...diagnoseAgents(servers),
    ...diagnoseMachines(servers),
  ];
};

/** What is wrong with the agents. Some of it passes by itself after a start. */
export const diagnoseAgents = (servers: readonly Survey[]): Finding[] => {
  const [one, other] = servers;
  return [
    ...servers.flatMap(diagnoseService),
    ...(one && other ? diagnosePair(one, other) : []),
    ...servers.flatMap(diagnoseNode),
  ];
};

/** What is wrong with the machines: clocks, disks, and what else starts the app. */
export const diagnoseMachines = (servers: readonly ExaminedServer[]): Finding[] => {
  const [one, other] = servers;
  return [...(one && other ? diagnoseClocks(one, other) : []), ...servers.flatMap(diagnoseMachine)];
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

/** What only shows when both servers are compared. */
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
  return first && second ? [...found, ...pairFindings(first, second)] : found;
};

const diagnoseClocks = (one: Survey, other: Survey): Finding[] => {
  const skew = Math.abs(one.clock.ahead - other.clock.ahead);
  if (skew - one.clock.uncertainty - other.clock.uncertainty <= CLOCK_TOLERANCE) return [];
  const what = `the clocks differ by ${formatDuration(skew)}, so the ages of backups are wrong`;
  return [{ server: 'pair', what, remedy: 'run a time service on both: timedatectl set-ntp true' }];
};

/** What a node reports about itself. */
const diagnoseNode = ({ status, variables }: Survey): Finding[] => {
  if (status === undefined) return [];
  const isUntried = variables.PEER_SSH && status.peer.ssh === null;
  return [...(isUntried ? [findingOf('ssh-failing', status)] : []), ...nodeFindings(status)];
};

const diagnoseMachine = (examined: ExaminedServer): Finding[] => {
  const { name: server, disks, entries, starters, status } = examined;
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
        what: `the disk of ${path} has ${formatBytes(freeBytes)} of ${formatBytes(totalBytes)} left`,
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
