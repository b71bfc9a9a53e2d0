import { randomInt } from 'node:crypto';
import { expect, test, vi } from 'vitest';
import { freePorts } from '../../scripts/lib/free-port.js';

vi.mock('node:crypto', { spy: true });

test('the port of a server that is stopped for a while is given to nobody else', async () => {
  const [first] = await freePorts(1);
  vi.mocked(randomInt).mockReturnValueOnce(first as never);
  expect(await freePorts(1)).not.toEqual([first]);
});
