import { request } from '../../src/operations/commands.js';
import { dryRunDemote, dryRunPromote } from '../../src/operations/dry-run.js';
import type { Node } from '../../src/operations/node.js';
import { pause, requestPlannedPromote, unpause } from '../../src/operations/requests.js';
import { nodeStatus } from '../../src/status/node-status.js';
import type { Machine } from './machine.js';
import { anyOf, type Trouble } from './trouble.js';
import type { World } from './world.js';

const BUTTONS = [
  'promote',
  'promote',
  'force',
  'planned',
  'demote',
  'demote',
  'pause',
  'unpause',
  'backup',
  'drill',
  'adopt',
  'dry-run',
] as const;

/** What a person may do at 3 a.m., on either node, whether it makes sense or not. */
export const pressButton: Trouble = (world) => {
  const machine = anyOf(world);
  const { node } = machine;
  if (node === undefined) return;
  const button = world.random.pick(BUTTONS);
  world.fault('operator', machine.name, button);
  send(world, machine, press(world, node, button));
};

/** Whoever asks hears of a refusal and goes away. */
export const send = (world: World, machine: Machine, request: Promise<unknown>): void => {
  request.catch((error: unknown) =>
    world.tell(machine.name, () => `whoever asked is told: ${String(error)}`),
  );
};

export const press = (
  { random }: World,
  node: Node,
  button: (typeof BUTTONS)[number],
): Promise<unknown> => {
  const asker = { source: 'operator' as const };
  const command = { force: button === 'force', planned: false, dryRun: false, reason: 'a person' };
  switch (button) {
    case 'promote':
    case 'force':
      return request(node, 'promote', command, asker);
    case 'planned':
      return requestPlannedPromote(node, { ...command, planned: true });
    case 'demote':
      return request(node, 'demote', { reason: 'a person', dryRun: false }, asker);
    case 'pause':
      return pause(node, { minutes: random.between(0.3, 3), reason: 'a deploy' });
    case 'unpause':
      return unpause(node);
    case 'backup':
      return request(node, 'backup', { reason: 'a person' }, asker);
    case 'drill':
      return request(node, 'drill', { reason: 'a person' }, asker);
    case 'adopt':
      return request(node, 'adopt', { reason: 'a person', force: random.chance(0.3) }, asker);
    case 'dry-run':
      return Promise.all([
        dryRunPromote(node, command, nodeStatus(node)),
        dryRunDemote(node, { reason: '', dryRun: true }),
      ]);
  }
};

/** An uptime checker that sees no service says so, now and then twice (T27). */
export const callWebhook: Trouble = (world) => {
  const { random, timeline } = world;
  const machine = random.chance(0.8) ? world.vcl3 : world.vcl2;
  const call = (what: string) => {
    const { node } = machine;
    if (node === undefined || !world.network.isOpenBothWays('outside', machine.name)) return;
    world.fault(what, machine.name);
    const command = { force: false, planned: false, dryRun: false, reason: 'down' };
    send(world, machine, request(node, 'promote', command, { source: 'webhook' }));
  };
  call('webhook');
  if (random.chance(0.5)) timeline.after(random.between(0, 5_000), () => call('webhook repeated'));
};
