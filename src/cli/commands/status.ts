import { formatBytes, formatDuration } from '../../domain/format.js';
import { doubtOf } from '../../domain/lost-role.js';
import { type NodeStatus, nodeStatusSchema } from '../../domain/status.js';
import type { Context, Outcome } from '../context.js';
import { formatAge, formatProof, formatUntil } from '../format.js';

export const status = async ({ agent }: Context): Promise<Outcome> => {
  const { body } = await agent.get('/status', nodeStatusSchema);
  return { value: body, lines: formatStatus(body, Date.now()) };
};

/** A node in a few lines, the most important first. */
export const formatStatus = (seen: NodeStatus, now: number): string[] => {
  const { node, mode, serving, epoch, since, app, problems } = seen;
  const facts: [name: string, said: string | null][] = [
    ['app', app.detail],
    ['backup', formatBackup(seen, now)],
    ['replica', formatReplica(seen, now)],
    ['drill', formatDrill(seen, now)],
    ['push', formatPush(seen, now)],
    ['peer', formatPeer(seen)],
    ['alone', seen.alone],
    ['yielding', seen.yielding && formatYielding(seen.yielding)],
    [
      'pause',
      seen.pause && `${formatUntil(seen.pause.until, now)}${formatReason(seen.pause.reason)}`,
    ],
    ['failback', formatFailback(seen, now)],
    ['running', seen.operation && `${seen.operation.id}${formatReason(seen.operation.reason)}`],
    ['problems', problems.length === 0 ? 'none' : `${problems.join(', ')}: coldspare doctor`],
  ];
  return [
    `${node} is ${mode}${serving ? ' and serves' : ''}, epoch ${epoch}, for ${formatAge(since, now)}`,
    ...facts
      .filter(([, said]) => said !== null)
      .map(([name, said]) => `  ${name.padEnd(9)} ${said}`),
  ];
};

const formatBackup = ({ latestBackup }: NodeStatus, now: number): string => {
  if (latestBackup === null) return 'none';
  const { id, currentAt, bytes, proof } = latestBackup;
  return `${formatAge(currentAt, now)} old, ${formatBytes(bytes)}, ${formatProof(proof, now)} (${id})`;
};

const LINES = { replica: 'it', backup: 'the backup', none: 'nothing' };

const formatReplica = ({ replication, mode }: NodeStatus, now: number): string | null => {
  if (replication === undefined) return null;
  const { state, line, currentAt, behindBytes } = replication;
  if (mode !== 'standby') return state;
  const far = currentAt && `, current to ${formatAge(currentAt, now)} ago`;
  const behind = behindBytes === null ? '' : `, ${formatBytes(behindBytes)} behind`;
  return `${state}${far ?? ''}${behind}; a takeover would use ${LINES[line ?? 'none']}`;
};

const formatDrill = ({ lastDrill }: NodeStatus, now: number): string | null => {
  if (lastDrill === null) return null;
  const { at, passed, error, takeOverSeconds } = lastDrill;
  if (!passed) return `FAILED ${formatAge(at, now)} ago: ${error}`;
  const foreseen =
    takeOverSeconds && `, a takeover would take ${formatDuration(takeOverSeconds * 1e3)}`;
  return `passed ${formatAge(at, now)} ago${foreseen ?? ''}`;
};

const formatPush = ({ push, mode }: NodeStatus, now: number): string | null => {
  if (push.failingSince !== null)
    return `failing for ${formatAge(push.failingSince, now)}: ${push.error}`;
  if (mode === 'standby') return null;
  return push.lastSuccessAt === null ? 'none yet' : `${formatAge(push.lastSuccessAt, now)} ago`;
};

const formatPeer = ({ peer }: NodeStatus): string =>
  peer.reachable
    ? `${peer.role}, epoch ${peer.epoch} (${peer.url})`
    : `not reached at ${peer.url}: ${peer.error ?? 'not asked yet'}`;

const formatFailback = (
  { failback: { due, policy, at, because } }: NodeStatus,
  now: number,
): string | null => {
  if (!due) return null;
  const left = at === null ? undefined : Math.max(0, Date.parse(at) - now);
  const when = left === undefined ? '' : `, in ${formatDuration(left)}`;
  return `due (${policy}${when})${formatReason(because ?? '')}`;
};

const formatReason = (reason: string): string => (reason === '' ? '' : `: ${reason}`);

const formatYielding = (yielding: NonNullable<NodeStatus['yielding']>): string =>
  doubtOf(yielding) === undefined
    ? `until ${yielding.operation} of the other node is decided`
    : 'its own state was lost or is too old, so it waits for an answer of the other node';
