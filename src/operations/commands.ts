import { z } from 'zod';
import {
  adoptCommandSchema,
  backupCommandSchema,
  demoteCommandSchema,
  drillCommandSchema,
  fenceCommandSchema,
  promoteCommandSchema,
  takeBackCommandSchema,
  takeOverCommandSchema,
} from '../domain/commands.js';
import {
  hasEnded,
  type OperationKind,
  type OperationRecord,
  type Source,
} from '../domain/operation.js';
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
import { planTakeBack } from './promote/take-back.js';
import { planTakeOver } from './promote/take-over.js';
import { planStandDown } from './stand-down/stand-down.js';

/** Who requests an operation. */
export interface Asker {
  source: Source;
  /** A repeated call with it is the same operation. */
  idempotencyKey?: string;
  /** The probe that made the monitor request a promote. */
  evidence?: PeerProbe;
}

/** An operation that can be requested. */
interface Command<Schema extends z.ZodType> {
  kind: OperationKind;
  /** The command, in requests and in the journal. */
  schema: Schema;
  /** @throws Refused when it is known at once that the operation cannot succeed */
  check(node: Node, command: z.infer<Schema>): unknown;
  plan(node: Node, command: z.infer<Schema>, asker: Asker): Plan | Promise<Plan>;
  /**
   * Whether an ended operation still answers a call with its idempotency key. Absent: it does until the key expires.
   */
  stillAnswers?(node: Node, ended: OperationRecord): boolean;
  /**
   * Plans the rest of an operation that a stop or crash of the agent interrupted. Undefined or absent where the boot
   * does the rest.
   */
  resume?(node: Node, command: z.infer<Schema>, record: OperationRecord): Plan | undefined;
}

const define = <Schema extends z.ZodType>(command: Command<Schema>): Command<Schema> => command;

/** Every operation that can be requested, by its type in the journal. */
export const COMMANDS = {
  promote: define({
    kind: 'promote',
    schema: promoteCommandSchema,
    check: (node, command) => isRunning(node, 'promote') || assertMayPromote(node, command),
    plan: planPromote,
    // Otherwise the answer to a new outage would be how an earlier one ended. Each promote verifies its outage itself.
    stillAnswers: ({ state: { current } }, { id }) =>
      current.mode === 'primary' && current.promotion?.operation === id,
    resume: (node, command, record) =>
      planPromoteRemainder(node, record) ?? planPromoteRestart(node, command, record),
  }),
  'take-over': define({
    kind: 'promote',
    schema: takeOverCommandSchema,
    check: (node) =>
      isRunning(node, 'promote') || assertMayPromote(node, { force: true, planned: true }),
    plan: planTakeOver,
    // Not resumed before its commit: the peer heard that it failed, and may have taken writes since.
    resume: (node, _command, record) => planPromoteRemainder(node, record),
  }),
  'take-back': define({
    kind: 'promote',
    schema: takeBackCommandSchema,
    check: () => {},
    plan: planTakeBack,
    // Not resumed before its commit: the peer has heard that it came to nothing, and serves on.
    resume: (node, _command, record) => planPromoteRemainder(node, record),
  }),
  demote: define({
    kind: 'handover',
    schema: demoteCommandSchema,
    check: (node) => isRunning(node, 'handover') || assertMayDemote(node),
    plan: planHandover,
    // One that failed is not tried again: that would freeze the writes once more.
    stillAnswers: ({ state }, { state: ending }) =>
      ending !== 'done' || state.current.mode !== 'primary',
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
 * Starts an operation. A call with the same idempotency key returns the same operation, as long as that still answers it.
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
  const isAnswer = repeated !== undefined && (entry.stillAnswers?.(node, repeated) ?? true);
  if (repeated !== undefined && (isAnswer || !hasEnded(repeated))) return repeated;
  entry.check(node, command);
  return node.runner.start(await entry.plan(node, command, asker), asker);
};

/** Plans the rest of an interrupted operation; undefined when a boot does the rest. */
export const planResumed = (node: Node, record: OperationRecord): Plan | undefined => {
  const { type } = record.command;
  const entry = Object.entries<Command<z.ZodType>>(COMMANDS).find(([name]) => name === type)?.[1];
  // The journal adds keys to a command, and may be of another version.
  const known =
    entry === undefined ? undefined : withUnknownKeys(entry.schema).safeParse(record.command);
  return known?.success ? entry?.resume?.(node, known.data, record) : undefined;
};

const withUnknownKeys = (schema: z.ZodType): z.ZodType =>
  schema instanceof z.ZodObject ? schema.loose() : schema;

const isRunning = ({ runner }: Pick<Node, 'runner'>, kind: OperationKind): boolean =>
  runner.current?.kind === kind;
