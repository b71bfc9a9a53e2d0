import { activate, type Staged } from './activate.js';
import { planDeployments } from './deployment.js';
import type { Inventory } from './inventory.js';
import { orderOf } from './order.js';
import { checkStack } from './preflight.js';
import type { Progress } from './progress.js';
import { buildRelease } from './release.js';
import { findPrevious } from './rollback.js';
import { loadSecrets, secretsFileOf, writeSecrets } from './secrets.js';
import type { Server } from './server.js';
import { settle } from './settle.js';
import { stage } from './stage.js';
import { survey } from './survey.js';
import { ensureBackup, proveHandover, proveRestore, waitUntilWell, warn } from './verify.js';

export interface DeployOptions {
  /** The directory with the build and its packages. */
  project: string;
  rotateKeys: boolean;
  prove: boolean;
}

/** Installs `project` with the inventory's settings on both servers, and proves that the pair works. @throws Stop */
export const deploy = async (
  inventory: Inventory,
  servers: readonly Server[],
  options: DeployOptions,
  progress: Progress,
): Promise<void> => {
  const secretsFile = secretsFileOf(inventory.file);
  const secrets = await progress.look('here', 'keys', () =>
    loadSecrets(secretsFile, servers, { rotate: options.rotateKeys }),
  );
  const release = await progress.look('here', 'build', () => buildRelease(options.project));
  const targets = planDeployments(inventory, servers, release, secrets.variables);
  for (const { server, deployment } of targets)
    await progress.look(server.name, 'check', () => checkStack(server, deployment.config));

  if (secrets.change !== undefined) {
    const apply = () => writeSecrets(secretsFile, secrets.variables);
    await progress.make('here', { step: 'keys', what: secrets.change, apply });
  }
  progress.stands(
    'At most, files were put beside what runs; both agents run what they ran before.',
  );
  for (const target of targets) await stage(inventory, target, release, progress);
  await turn(
    targets.map(({ server, deployment: { name, unit } }) => ({ server, name, unit })),
    progress,
  );
  if (progress.isDry) return;

  const nodes = await progress.look('pair', 'verify', () => waitUntilWell(servers, progress));
  const backup = await progress.look('pair', 'backup', () => ensureBackup(nodes, progress));
  await progress.look('pair', 'restore', () => proveRestore(nodes, backup, progress));
  if (options.prove) await proveHandover(nodes, progress);
  for (const server of servers)
    await progress.look(server.name, 'settle', () => settle(server, progress));
  await progress.look('pair', 'warn', () => warn(nodes, progress));
};

/** Goes back to the version before, and proves that the pair works. @throws Stop */
export const rollBack = async (servers: readonly Server[], progress: Progress): Promise<void> => {
  const staged = await progress.look('pair', 'links', () => findPrevious(servers));
  await turn(staged, progress);
  if (progress.isDry) return;
  const nodes = await progress.look('pair', 'verify', () => waitUntilWell(servers, progress));
  await ensureBackup(nodes, progress);
  for (const server of servers)
    await progress.look(server.name, 'settle', () => settle(server, progress));
};

/** Switches one server after the other, so that both agents are never down at once. */
const turn = async (pair: readonly Staged[], progress: Progress): Promise<void> => {
  const turned: string[] = [];
  const seen = await progress.look('pair', 'survey', () =>
    Promise.all(pair.map(async (staged) => ({ staged, seen: await survey(staged.server) }))),
  );
  const order = orderOf(seen);
  for (const { staged, seen } of order) {
    const { server, name } = staged;
    const others = order
      .map((other) => other.staged)
      .filter((other) => other !== staged && !turned.includes(other.server.name));
    progress.stands(
      [
        ...turned.map((done) => `${done} runs ${name}.`),
        `${server.name} was being turned to ${name}.`,
        ...others.map((other) => `${other.server.name} runs what it ran before.`),
      ].join(' '),
    );
    await activate(staged, seen, progress);
    turned.push(server.name);
  }
  progress.stands(
    `Both were turned to ${pair[0]?.name}. What is missing is the proof that they work.`,
  );
};
