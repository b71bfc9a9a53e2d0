import { z } from 'zod';
import {
  adoptCommandSchema,
  backupCommandSchema,
  demoteCommandSchema,
  drillCommandSchema,
  fenceCommandSchema,
  promoteCommandSchema,
  takeOverCommandSchema,
} from '../domain/commands.js';
import type { OperationKind, OperationRecord, Source } from '../domain/operation.js';
import type { Plan } from '../engine/operation.js';
import type { PeerProbe } from '../peer/probe-peer.js';
import { assertMayFence, planFence } from './accept-fence/accept-fence.js';
import { assertMayAdopt, lineageToAdopt, planAdopt } from './adopt/adopt-lineage.js';
import { assertMayBackUp, planBackup } from './backup/backup.js';
import { assertMayDrill, assertNotCleaningUp, planDrill } from './drill/drill.js';
import { assertMayDemote, planHandover, planInterruptedHandover } from './handover/handover.js';
import type { Node } from './node.js';
import { assertMayPromote, planPromote } from './promote/promote.js';
import { planPromoteRemainder, planPromoteRestart } from './promote/resume.js';
import { planTakeOver } from './promote/take-over.js';
import { planStandDown } from './stand-down/stand-down.js';

/** Who asks for an operation. */
export interface Asker {
  source: Source;
  /** A repeated call with it is the same operation. */
  idempotencyKey?: string;
  /** What made the monitor ask. */
  evidence?: PeerProbe;
}

/** An operation that can be asked for. */
interface Command<Schema extends z.ZodType> {
  kind: OperationKind;
  /** What was asked, at the door and in the journal. */
  schema: Schema;
  /** @throws Refused when it can be told at once that nothing will come of it */
  check(node: Node, command: z.infer<Schema>): unknown;
  plan(node: Node, command: z.infer<Schema>, asker: Asker): Plan | Promise<Plan>;
  /**
   * The rest of an operation that a stop or a crash of the agent had cut. Undefined, or absent, where a boot does what
   * is left to do.
   */
  resume?(node: Node, command: z.infer<Schema>, record: OperationRecord): Plan | undefined;
}

const define = <Schema extends z.ZodType>(command: Command<Schema>): Command<Schema> => command;

/** Every operation that can be asked for, under the type by which the journal knows it. */
export const COMMANDS = {
  promote: define({
    kind: 'promote',
    schema: promoteCommandSchema,
    check: (node, command) => isRunning(node, 'promote') || assertMayPromote(node, command),
    plan: planPromote,
    resume: (node, command, record) =>
      planPromoteRemainder(node, record) ?? planPromoteRestart(node, command, record),
  }),
  'take-over': define({
    kind: 'promote',
    schema: takeOverCommandSchema,
    check: (node) =>
      isRunning(node, 'promote') || assertMayPromote(node, { force: true, planned: true }),
    plan: planTakeOver,
    // Before its commit it is over: the peer was told that it failed, and may have written since.
    resume: (node, _command, record) => planPromoteRemainder(node, record),
  }),
  demote: define({
    kind: 'handover',
    schema: demoteCommandSchema,
    check: (node) => isRunning(node, 'handover') || assertMayDemote(node),
    plan: planHandover,
    resume: (node, command, { id }) =>
      node.state.current.yielding?.operation === id
        ? planInterruptedHandover(node, command)
        : undefined,
  }),
  backup: define({
    kind: 'backup',
    schema: backupCommandSchema,
    check: assertMayBackUp,
    plan: planBackup,
  }),
  drill: define({
    kind: 'drill',
    schema: drillCommandSchema,
    check: (node) => {
      assertMayDrill(node);
      assertNotCleaningUp(node);
    },
    plan: (node, command) => planDrill(node, assertMayDrill(node), command),
  }),
  adopt: define({
    kind: 'adopt',
    schema: adoptCommandSchema,
    check: assertMayAdopt,
    plan: async (node, command) =>
      planAdopt(node, { ...command, lineage: await lineageToAdopt(node) }),
  }),
  fence: define({
    kind: 'fence',
    schema: fenceCommandSchema,
    check: assertMayFence,
    plan: planFence,
  }),
  'stand-down': define({
    kind: 'stand-down',
    schema: z.object({}),
    check: () => {},
    plan: planStandDown,
    resume: (node) => (node.state.current.standDown === null ? undefined : planStandDown(node)),
  }),
};

export type CommandType = keyof typeof COMMANDS;
export type CommandOf<T extends CommandType> = z.infer<(typeof COMMANDS)[T]['schema']>;

/**
 * Starts the operation; the same call again is the same operation.
 * @throws Refused as the command's `check` and `Runner.start` say, `idempotency-conflict`
 */
export const request = async <T extends CommandType>(
  node: Node,
  type: T,
  command: CommandOf<T>,
  asker: Asker,
): Promise<OperationRecord> => {
  const entry: Command<z.ZodType> = COMMANDS[type];
  const repeated = node.runner.repeated(entry.kind, asker.idempotencyKey);
  if (repeated !== undefined) return repeated;
  entry.check(node, command);
  return node.runner.start(await entry.plan(node, command, asker), asker);
};

/** The rest of an operation that was cut; undefined when what is left is what a boot does anyway. */
export const planResumed = (node: Node, record: OperationRecord): Plan | undefined => {
  const { type } = record.command;
  const entry = Object.entries<Command<z.ZodType>>(COMMANDS).find(([name]) => name === type)?.[1];
  // The journal adds to a command who asked, and may come from another version.
  const known = entry === undefined ? undefined : loosely(entry.schema).safeParse(record.command);
  return known?.success ? entry?.resume?.(node, known.data, record) : undefined;
};

const loosely = (schema: z.ZodType): z.ZodType =>
  schema instanceof z.ZodObject ? schema.loose() : schema;

const isRunning = ({ runner }: Pick<Node, 'runner'>, kind: OperationKind): boolean =>
  runner.current?.kind === kind;
