import { type Manifest, manifestSchema } from '../../src/domain/manifest.js';
import { type Machine, TOKENS } from './pair.js';

/** A committed backup of the machine, with everything that a script needs to send it elsewhere. */
export const readBackup = async (
  { agent }: Machine,
  id: unknown,
): Promise<{ manifest: Manifest; dump: ArrayBuffer }> => {
  const { body } = await agent.get(`/backups/${id}`, TOKENS.peer);
  const headers = { authorization: `Bearer ${TOKENS.peer}` };
  const content = await fetch(`${agent.url}/backups/${id}/content`, { headers });
  return { manifest: manifestSchema.parse(body), dump: await content.arrayBuffer() };
};

interface Said {
  status: number;
  body: { code?: string };
}

/** Pushes a dump with the peer's key in two plain requests, without regard for roles and epochs. */
export const pushDump = async (
  { agent }: Machine,
  manifest: Manifest,
  dump: ArrayBuffer,
): Promise<{ upload: Said; commit: Said }> => {
  const url = `${agent.url}/backups/${manifest.id}`;
  const headers = { authorization: `Bearer ${TOKENS.peer}` };
  const upload = await fetch(url, { method: 'PUT', headers, body: dump });
  const commit = await agent.call<Said['body']>('POST', `/backups/${manifest.id}/commit`, {
    token: TOKENS.peer,
    body: manifest,
  });
  return {
    upload: { status: upload.status, body: (await upload.json()) as Said['body'] },
    commit,
  };
};
