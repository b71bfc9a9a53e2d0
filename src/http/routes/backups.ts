import { Readable } from 'node:stream';
import type { Quarantined } from '../../backups/quarantine.js';
import { commitBackup, confirmBackup, receiveBackup } from '../../backups/receive.js';
import { releaseBackup } from '../../backups/shrinkage.js';
import {
  backupListSchema,
  committedSchema,
  receivedSchema,
  tornSchema,
} from '../../domain/answers.js';
import { backupIdSchema } from '../../domain/backup-id.js';
import {
  adoptDumpCommandSchema,
  backupCommandSchema,
  confirmCommandSchema,
} from '../../domain/commands.js';
import { ColdspareError, type ErrorCode } from '../../domain/errors.js';
import { type Manifest, manifestSchema } from '../../domain/manifest.js';
import { adoptDump } from '../../operations/adopt/adopt-dump.js';
import { request } from '../../operations/commands.js';
import { invalid, openUpload, parseWith, readCommand } from '../body.js';
import { askerOf, contentLength, rangeStart } from '../headers.js';
import { FOLLOWED, followOperation } from '../long-operation.js';
import type { HttpContext, Route } from '../route.js';

/** Bytes. A manifest counts the rows of every table, and there may be many tables. */
const MANIFEST_LIMIT = 16 * 1024 * 1024;

const params = { id: backupIdSchema };

/** Why a dump may not be accepted. */
const RECEIVING: readonly ErrorCode[] = ['serving', 'backup-exists', 'too-large', 'disk-full'];

export const backupRoutes: Route[] = [
  {
    method: 'GET',
    path: '/backups',
    clients: ['admin', 'peer'],
    about: {
      summary: 'The committed backups, and the dumps that were refused for good',
      answers: { 200: backupListSchema },
    },
    handle: (c, node) =>
      c.json({
        backups: node.backups.list().map((manifest) => ({
          ...withoutSecrets(c, manifest),
          // It names every table.
          inventory: undefined,
          proof: node.state.current.proofs[manifest.id] ?? null,
        })),
        quarantined: node.backups.quarantined().map(summaryOf),
      }),
  },
  {
    method: 'POST',
    path: '/backups',
    clients: ['admin', 'peer'],
    about: {
      ...FOLLOWED,
      summary: 'Take a backup now and push it',
      body: backupCommandSchema,
      problems: ['not-primary', 'busy', 'foreign-lineage', 'idempotency-conflict'],
    },
    handle: async (c, node) => {
      const command = await readCommand(c, backupCommandSchema);
      if (command.rescue !== undefined && c.get('client') !== 'peer') throw rescueIsForThePeer();
      return followOperation(c, node, await request(node, 'backup', command, askerOf(c)));
    },
  },
  {
    method: 'GET',
    path: '/backups/:id',
    clients: ['admin', 'peer'],
    about: {
      summary: "A backup's manifest",
      params,
      answers: { 200: manifestSchema },
      problems: ['backup-not-found'],
    },
    handle: (c, node) => c.json(withoutSecrets(c, node.backups.get(backupId(c)))),
  },
  {
    method: 'PUT',
    path: '/backups/:id',
    clients: ['peer'],
    refusesStaleEpoch: true,
    bringsBackup: true,
    about: {
      summary: 'Upload a dump. It is no backup before its commit',
      params,
      headers: ['Content-Range'],
      body: 'application/octet-stream',
      answers: { 201: receivedSchema },
      problems: [...RECEIVING, 'upload-elsewhere'],
    },
    handle: async (c, node) => {
      const id = backupId(c);
      const received = await receiveBackup(node, id, openUpload(c), {
        from: rangeStart(c),
        bytes: contentLength(c),
      });
      return c.json({ id, ...received }, 201);
    },
  },
  {
    method: 'GET',
    path: '/backups/:id/upload',
    clients: ['peer'],
    about: {
      summary: 'How much is here of an upload that broke off: it may go on from there',
      params,
      answers: { 200: tornSchema },
    },
    handle: async (c, node) => c.json({ bytes: await node.backups.uploaded(backupId(c)) }),
  },
  {
    method: 'POST',
    path: '/backups/:id/commit',
    clients: ['peer'],
    refusesStaleEpoch: true,
    bringsBackup: true,
    about: {
      summary: 'Make an upload a backup',
      params,
      body: manifestSchema,
      answers: { 200: committedSchema, 201: committedSchema },
      problems: [
        ...(['serving', 'stale-epoch', 'foreign-lineage', 'backup-exists'] as const),
        'backup-behind',
        ...(['upload-unknown', 'upload-torn', 'digest-mismatch'] as const),
      ],
    },
    handle: async (c, node) => {
      const id = backupId(c);
      const manifest = await readCommand(c, manifestSchema, MANIFEST_LIMIT);
      if (manifest.id !== id) {
        throw invalid(
          `id: the manifest is of ${manifest.id}, the path says ${id}`,
          'commit each backup under its own id',
          manifest.id,
        );
      }
      const isRepeated = node.backups.has(id);
      await commitBackup(node, manifest);
      return c.json({ id }, isRepeated ? 200 : 201, { Location: `/backups/${id}` });
    },
  },
  {
    method: 'POST',
    path: '/backups/:id/confirm',
    clients: ['peer'],
    refusesStaleEpoch: true,
    bringsBackup: true,
    about: {
      summary: 'Nothing has changed since this backup: it is as good as a new one',
      params,
      body: confirmCommandSchema,
      answers: { 200: committedSchema },
      problems: ['serving', 'backup-not-found', 'backup-unusable'],
    },
    handle: async (c, node) => {
      const id = backupId(c);
      const { at } = await readCommand(c, confirmCommandSchema);
      await confirmBackup(node, id, at);
      return c.json({ id });
    },
  },
  {
    method: 'GET',
    path: '/backups/:id/content',
    clients: ['admin', 'peer'],
    about: {
      summary: 'The dump itself',
      params,
      answers: { 200: 'application/octet-stream' },
      problems: ['backup-not-found'],
    },
    handle: async (c, node) => {
      const { id, bytes } = node.backups.get(backupId(c));
      const content = Readable.toWeb(await node.backups.content(id)) as ReadableStream;
      return c.body(content, 200, {
        'Content-Type': 'application/octet-stream',
        'Content-Length': String(bytes),
        'Content-Disposition': `attachment; filename="${id}.dump"`,
      });
    },
  },
  {
    method: 'POST',
    path: '/backups/:id/release',
    clients: ['admin'],
    about: {
      summary: 'I have looked: this backup need not be kept because the next one shrank',
      params,
      answers: { 200: committedSchema },
      problems: ['backup-not-found'],
    },
    handle: async (c, node) => {
      const id = backupId(c);
      await releaseBackup(node, id);
      return c.json({ id });
    },
  },
  {
    method: 'POST',
    path: '/backups/:id/adopt',
    clients: ['admin'],
    about: {
      summary: "Take a dump on this node's disk into the backups",
      params,
      body: adoptDumpCommandSchema,
      answers: { 201: manifestSchema },
      problems: [...RECEIVING, 'backup-unusable'],
    },
    handle: async (c, node) => {
      const id = backupId(c);
      const command = await readCommand(c, adoptDumpCommandSchema);
      const manifest = await adoptDump(node, id, command);
      return c.json(withoutSecrets(c, manifest), 201, { Location: `/backups/${id}` });
    },
  },
];

const backupId = (c: HttpContext): string => parseWith(backupIdSchema, c.req.param('id'), 'id');

/**
 * Password verifiers and the values of settings, which may be secrets of the app, go to the peer alone. It has to make
 * roles and settings again; everybody else gets the settings' names.
 */
const withoutSecrets = (c: HttpContext, manifest: Manifest): Manifest => {
  const { surroundings } = manifest;
  if (c.get('client') === 'peer' || surroundings === undefined) return manifest;
  const roles = surroundings.roles.map(({ verifier: _secret, settings, ...role }) => ({
    ...role,
    ...(settings && { settings: namesOnly(settings) }),
  }));
  const settings = namesOnly(surroundings.settings);
  return { ...manifest, surroundings: { ...surroundings, roles, settings } };
};

const namesOnly = (settings: Record<string, string>): Record<string, string> =>
  Object.fromEntries(Object.keys(settings).map((name) => [name, '(set)']));

/** Where a refused dump is, and why it was refused. */
const summaryOf = ({ manifest, reason, at }: Quarantined) => {
  const { id, node, lineage, takenAt, bytes } = manifest;
  return { id, node, lineage, takenAt, bytes, reason, at };
};

const rescueIsForThePeer = (): ColdspareError =>
  new ColdspareError(
    'forbidden',
    'rescue: only the other node may ask for a last dump in the name of its promote',
    'leave "rescue" out, or POST /promote on the other node',
    { value: 'rescue' },
  );
