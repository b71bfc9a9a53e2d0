import { formatBytes, formatDuration } from '../../domain/format.js';
import { type NodeStatus, nodeStatusSchema } from '../../domain/status.js';
import type { Context, Outcome } from '../context.js';
import { sayAge, sayProof, sayUntil } from '../format.js';

export const status = async ({ agent }: Context): Promise<Outcome> => {
  const { body } = await agent.get('/status', nodeStatusSchema);
  return { value: body, lines: sayStatus(body, Date.now()) };
};

/** A node in a few lines, what matters most first. */
export const sayStatus = (seen: NodeStatus, now: number): string[] => {
  const { node, mode, serving, epoch, since, app, problems } = seen;
  const facts: [name: string, said: string | null][] = [
    ['app', app.detail],
    ['backup', sayBackup(seen, now)],
    ['drill', sayDrill(seen, now)],
    ['push', sayPush(seen, now)],
    ['peer', sayPeer(seen)],
    ['alone', seen.alone],
    ['yielding', seen.yielding && `until ${seen.yielding.operation} of the other node is decided`],
    ['pause', seen.pause && `${sayUntil(seen.pause.until, now)}${sayReason(seen.pause.reason)}`],
    ['failback', seen.failback.due ? `due (${seen.failback.policy})` : null],
    ['running', seen.operation && `${seen.operation.id}${sayReason(seen.operation.reason)}`],
    ['problems', problems.length === 0 ? 'none' : `${problems.join(', ')}: coldspare doctor`],
  ];
  return [
    `${node} is ${mode}${serving ? ' and serves' : ''}, epoch ${epoch}, for ${sayAge(since, now)}`,
    ...facts
      .filter(([, said]) => said !== null)
      .map(([name, said]) => `  ${name.padEnd(9)} ${said}`),
  ];
};

const sayBackup = ({ latestBackup }: NodeStatus, now: number): string => {
  if (latestBackup === null) return 'none';
  const { id, currentAt, bytes, proof } = latestBackup;
  return `${sayAge(currentAt, now)} old, ${formatBytes(bytes)}, ${sayProof(proof, now)} (${id})`;
};

const sayDrill = ({ lastDrill }: NodeStatus, now: number): string | null => {
  if (lastDrill === null) return null;
  const { at, passed, error, takeOverSeconds } = lastDrill;
  if (!passed) return `FAILED ${sayAge(at, now)} ago: ${error}`;
  const foreseen =
    takeOverSeconds && `, a takeover would take ${formatDuration(takeOverSeconds * 1e3)}`;
  return `passed ${sayAge(at, now)} ago${foreseen ?? ''}`;
};

const sayPush = ({ push, mode }: NodeStatus, now: number): string | null => {
  if (push.failingSince !== null)
    return `failing for ${sayAge(push.failingSince, now)}: ${push.error}`;
  if (mode === 'standby') return null;
  return push.lastSuccessAt === null ? 'none yet' : `${sayAge(push.lastSuccessAt, now)} ago`;
};

const sayPeer = ({ peer }: NodeStatus): string =>
  peer.reachable
    ? `${peer.role}, epoch ${peer.epoch} (${peer.url})`
    : `not reached at ${peer.url}: ${peer.error ?? 'not asked yet'}`;

const sayReason = (reason: string): string => (reason === '' ? '' : `: ${reason}`);
