import { join } from 'node:path';
import { Writable } from 'node:stream';
import { REPLICA_PARAMETERS } from '../../../domain/drift.js';
import { ColdspareError, isError } from '../../../domain/errors.js';
import type { Commits, LogEnd } from '../../../ports/cluster.js';
import type { ClusterFiles } from './files.js';
import type { Location } from './location.js';
import { endOfRecord, formatPlace, type LogLayout, parsePlace } from './log-place.js';

/** Milliseconds. */
const CONTROL_TIMEOUT = 30_000;
const READ_TIMEOUT = 1_800_000;

/** Where a cluster's files are. */
export interface Placed extends Pick<Location, 'directory' | 'programs'> {
  files: ClusterFiles;
}

/** Where the log of a stopped cluster ends, by its control file and the log itself. */
export const readLogEnd = async (cluster: Placed): Promise<LogEnd> => {
  const control = await readControl(cluster);
  const { timeline, redo, layout } = control;
  const newest = await newestTimeline(cluster);
  if (newest > timeline) {
    throw new ColdspareError(
      'database-failed',
      `the log of ${cluster.directory} has timeline ${newest}, and its last checkpoint is of timeline ${timeline}: where it ends is not known`,
      'start the database once and stop it again',
    );
  }
  let at = redo;
  await readLog(cluster, { timeline, from: redo }, (line) => {
    at = recordEnd(line, layout) ?? at;
  });
  // The last checkpoint itself is a record.
  if (at === redo) throw unreadable(cluster, redo, 'its last checkpoint is not in it');
  const isClean = control.state === 'shut down' || control.state === 'shut down in recovery';
  return { system: control.system, timeline, at: `${at}`, isClean };
};

export const readCommitsPast = async (
  cluster: Placed,
  at: string,
  { timeline, at: end }: Pick<LogEnd, 'timeline' | 'at'>,
): Promise<Commits> => {
  const { layout } = await readControl(cluster);
  const found: Commits = { count: 0, first: undefined, last: undefined };
  const from = BigInt(at);
  let reached = from;
  await readLog(cluster, { timeline, from }, (line) => {
    reached = recordEnd(line, layout) ?? reached;
    const [, moment] =
      /desc: (?:COMMIT|COMMIT_PREPARED) (?:.*?)(\d{4}-\d\d-\d\d [^;]+)/.exec(line) ?? [];
    if (moment === undefined) return;
    found.count += 1;
    found.first ??= moment.trim();
    found.last = moment.trim();
  });
  // A file that was removed, or a damaged record, ends the reading as the end of the log does.
  if (reached < BigInt(end))
    throw unreadable(cluster, reached, `it goes on to ${formatPlace(BigInt(end))}`);
  return found;
};

/** Where the record of a line of pg_waldump ends; undefined for other lines. */
const recordEnd = (line: string, layout: LogLayout): bigint | undefined => {
  const [, length = '', place = ''] =
    /len \(rec\/tot\):\s*\d+\/\s*(\d+),.* lsn: ([0-9A-F]+\/[0-9A-F]+)/.exec(line) ?? [];
  return place === '' ? undefined : endOfRecord(parsePlace(place), Number(length), layout);
};

const unreadable = ({ directory }: Placed, at: bigint, why: string): ColdspareError =>
  new ColdspareError(
    'database-failed',
    `the log in ${join(directory, 'pg_wal')} cannot be read past ${formatPlace(at)}, and ${why}`,
    'see which files are there; those that were removed may be in the archive of this server',
    { value: formatPlace(at) },
  );

const FIELDS = {
  system: 'Database system identifier',
  state: 'Database cluster state',
  redo: "Latest checkpoint's REDO location",
  timeline: "Latest checkpoint's TimeLineID",
  page: 'WAL block size',
  segment: 'Bytes per WAL segment',
} as const;

/** What pg_controldata calls the settings of which a replica needs at least as much as its primary. */
const DEMANDS: Readonly<Record<(typeof REPLICA_PARAMETERS)[number], string>> = {
  max_connections: 'max_connections setting',
  max_worker_processes: 'max_worker_processes setting',
  max_wal_senders: 'max_wal_senders setting',
  max_prepared_transactions: 'max_prepared_xacts setting',
  max_locks_per_transaction: 'max_locks_per_xact setting',
};

/** What the primary had of each when it said so last in the log. The cluster may run. */
export const readDemands = async (cluster: Placed): Promise<Record<string, number>> => {
  const field = await askControlFile(cluster);
  return Object.fromEntries(
    REPLICA_PARAMETERS.map((name) => [name, Number(field(DEMANDS[name]))] as const),
  );
};

/** Resolves to what the control file says under a name. */
const askControlFile = async ({
  files,
  directory,
  programs,
}: Placed): Promise<(name: string) => string> => {
  const output = await files.run([join(programs, 'pg_controldata'), directory], {
    timeout: CONTROL_TIMEOUT,
    env: { LC_ALL: 'C' },
  });
  return (name) => {
    const line = output.split('\n').find((each) => each.startsWith(`${name}:`));
    if (line !== undefined) return line.slice(name.length + 1).trim();
    throw new ColdspareError(
      'command-failed',
      `pg_controldata printed no "${name}" for ${directory}`,
      `run pg_controldata ${directory} by hand to see what it prints`,
    );
  };
};

const readControl = async (cluster: Placed) => {
  const read = await askControlFile(cluster);
  const field = (name: keyof typeof FIELDS) => read(FIELDS[name]);
  const layout: LogLayout = { page: Number(field('page')), segment: Number(field('segment')) };
  return {
    system: field('system'),
    state: field('state'),
    redo: parsePlace(field('redo')),
    timeline: Number(field('timeline')),
    layout,
  };
};

/** By the files of its log: a cluster that was promoted and then crashed has not noted it elsewhere. */
const newestTimeline = async ({ files, directory }: Placed): Promise<number> => {
  const names = await files.list(join(directory, 'pg_wal'));
  const timelines = names.flatMap((name) => {
    const [, timeline] = /^([0-9A-F]{8})[0-9A-F]{16}$/.exec(name) ?? [];
    return timeline === undefined ? [] : [Number.parseInt(timeline, 16)];
  });
  return Math.max(0, ...timelines);
};

/** Calls `onLine` with each record of the log. It always ends with an error: the log ends where no more can be read. */
const readLog = async (
  { files, directory, programs }: Placed,
  { timeline, from }: { timeline: number; from: bigint },
  onLine: (line: string) => void,
): Promise<void> => {
  const output = lines(onLine);
  const argv = [
    join(programs, 'pg_waldump'),
    ...['--path', join(directory, 'pg_wal'), '--timeline', `${timeline}`],
    ...['--start', formatPlace(from)],
  ];
  const options = { timeout: READ_TIMEOUT, env: { LC_ALL: 'C' }, output };
  await files.run(argv, options).catch((error: unknown) => {
    if (!isError(error, 'command-failed') || !isEndOfLog(error.message)) throw error;
  });
};

/** Past the last record the file has zeros or old records, there is no further file, or nothing was written since. */
const isEndOfLog = (message: string): boolean =>
  /error in WAL record at|could not find a valid record after|could not find file|could not open file "[0-9A-F]{24}"/.test(
    message,
  );

const lines = (onLine: (line: string) => void): Writable => {
  let rest = '';
  return new Writable({
    decodeStrings: false,
    defaultEncoding: 'utf8',
    write(chunk: Buffer | string, _encoding, done) {
      const parts = `${rest}${chunk}`.split('\n');
      rest = parts.pop() ?? '';
      for (const line of parts) onLine(line);
      done();
    },
  });
};
