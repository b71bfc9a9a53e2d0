import { pipeline, type Readable, Transform } from 'node:stream';
import { commitBackup, receiveBackup } from '../../backups/receive.js';
import type { AdoptDumpCommand } from '../../domain/commands.js';
import { type ColdspareError, Refused } from '../../domain/errors.js';
import type { Manifest } from '../../domain/manifest.js';
import { PlainDumpReader } from '../../domain/plain-dump.js';
import { probePeer } from '../../peer/probe-peer.js';
import { expectedLineage } from '../boot/check-lineage.js';
import type { Node } from '../node.js';

/** Below every backup that an agent takes: its real age is unknown, and it must not replace proven backups. */
const OLDEST = { epoch: 1, sequence: 0 };

type Adopter = Pick<
  Node,
  | ('settings' | 'state' | 'leadership' | 'backups' | 'runner' | 'disk')
  | ('peer' | 'peerView' | 'probe' | 'clock' | 'ids' | 'notifier' | 'log')
>;

/** The first bytes of pg_dump's custom format. */
const CUSTOM_MAGIC = 'PGDMP';

/** Files that a dump may be packed in: their first bytes, and what unpacks them. */
const PACKED = [
  { name: 'gzip', magic: '\x1f\x8b', unpack: 'gunzip --keep' },
  { name: 'bzip2', magic: 'BZh', unpack: 'bunzip2 --keep' },
  { name: 'xz', magic: '\xfd7zXZ', unpack: 'unxz --keep' },
  { name: 'zstd', magic: '\x28\xb5\x2f\xfd', unpack: 'unzstd' },
  { name: 'lz4', magic: '\x04\x22\x4d\x18', unpack: 'unlz4' },
  { name: 'zip', magic: 'PK\x03\x04', unpack: 'unzip' },
];

/**
 * Makes a dump file on this node's disk a backup. Its rows were not counted and its epoch is unknown, so it counts as
 * older than every backup that an agent has taken.
 * @throws Refused `serving`, `backup-unusable`, `invalid-request`, and those of `BackupStore.receive`
 */
export const adoptDump = async (
  node: Adopter,
  id: string,
  { path }: AdoptDumpCommand,
): Promise<Manifest> => {
  const { settings, state } = node;
  if (state.current.mode !== 'standby') throw onlyOnStandby(node);
  const takenAt = dateOf(id);
  const found: Found = { format: 'custom', serverVersion: 'unknown' };
  const content = inspectDump(await openDump(node, path), path, found);
  const received = await receiveBackup(node, id, content, {
    bytes: (await node.disk.size(path)) ?? 0,
  });
  const manifest: Manifest = {
    id,
    database: settings.databaseName,
    node: settings.nodeName,
    takenAt,
    ...OLDEST,
    lineage: await lineageOf(node),
    ...found,
    ...received,
  };
  await commitBackup(node, manifest, { isAdopted: true });
  node.log.warn({ id, path, lineage: manifest.lineage }, 'a dump was adopted as a backup');
  return manifest;
};

/**
 * A standby without a backup does not know the lineage yet, but its peer may. With a new lineage it would refuse the
 * peer's backups.
 */
const lineageOf = async (node: Adopter): Promise<string> => {
  if (node.state.current.lineage === null) await probePeer(node);
  return expectedLineage(node) ?? node.ids.random();
};

const onlyOnStandby = ({ settings, state }: Adopter): Refused =>
  new Refused(
    'serving',
    `${settings.nodeName} is ${state.current.mode}, and only a standby adopts a dump`,
    'the same on the other node: POST /backups/{id}/adopt {"path": "/…/dump.sql"}',
    { value: state.current.mode },
  );

const dateOf = (id: string): string => {
  const [, day = '', time = ''] = /(\d{8})_(\d{6})$/.exec(id) ?? [];
  const iso = `${day.replace(/(\d{4})(\d\d)(\d\d)/, '$1-$2-$3')}T${time.replace(/(\d\d)(\d\d)(\d\d)/, '$1:$2:$3')}.000Z`;
  const date = new Date(iso);
  if (!Number.isNaN(date.getTime()) && date.toISOString() === iso) return iso;
  throw new Refused(
    'invalid-request',
    `id: ${id} does not end in a valid time`,
    'end it with the time of the dump in UTC: _YYYYMMDD_HHMMSS',
    { value: id },
  );
};

const openDump = async (node: Pick<Node, 'disk'>, path: string): Promise<Readable> => {
  try {
    return await node.disk.reader(path);
  } catch (cause) {
    throw new Refused(
      'invalid-request',
      `path: ${path} cannot be read: ${cause instanceof Error ? cause.message : cause}`,
      "name a dump on this node's disk that the agent's user may read, not a link to one",
      { cause, value: path },
    );
  }
};

type Found = Pick<Manifest, 'format' | 'serverVersion'>;

/** The same bytes. The stream fails as soon as they turn out to be no dump that is safe to restore. */
const inspectDump = (dump: Readable, path: string, found: Found): Readable => {
  let plain: PlainDumpReader | undefined;
  let isEmpty = true;
  const fail = (why: string | undefined) => (why === undefined ? null : unusable(path, why));
  const check = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const text = chunk.toString('latin1');
      const packed = isEmpty ? PACKED.find(({ magic }) => text.startsWith(magic)) : undefined;
      if (packed !== undefined) return done(packedDump(path, packed));
      if (isEmpty && !text.startsWith(CUSTOM_MAGIC)) {
        plain = new PlainDumpReader();
        found.format = 'plain';
        found.serverVersion = versionIn(text) ?? found.serverVersion;
      }
      isEmpty = false;
      plain?.read(text);
      done(fail(plain?.fault), chunk);
    },
    flush(done) {
      plain?.end();
      done(fail(isEmpty ? 'it is empty' : plain?.fault));
    },
  });
  // No action here: the reader of `check` gets every failure.
  return pipeline(dump, check, () => {});
};

const packedDump = (path: string, { name, unpack }: (typeof PACKED)[number]): Refused =>
  new Refused(
    'backup-unusable',
    `${path} is not adopted: this is ${name}, which may or may not hold a whole dump`,
    `unpack it first, with ${unpack} ${path}, and name the file that comes out`,
    { value: path },
  );

const versionIn = (text: string): string | undefined =>
  /^-- Dumped from database version (.{1,100}?)\r?$/m.exec(text)?.[1];

const unusable = (path: string, why: string): ColdspareError =>
  new Refused(
    'backup-unusable',
    `${path} is not adopted: ${why}`,
    'make one with pg_dump (without --create), or name another dump',
    { value: path },
  );
