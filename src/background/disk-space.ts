import type { Node } from '../operations/node.js';

/** Keeps the ballast, and looks how much space is left for the state and for the backups. */
export const createDiskWatch =
  ({ ballast, backups, local, clock }: Pick<Node, 'ballast' | 'backups' | 'local' | 'clock'>) =>
  async (): Promise<void> => {
    // First: the ballast cannot be made on a full disk.
    const spaces = await Promise.all([ballast.space(), backups.space()]);
    const [least] = spaces.sort((a, b) => a.free / a.capacity - b.free / b.capacity);
    if (least !== undefined) local.diskSpace = { value: least, at: clock.now() };
    await ballast.create();
  };
