import { hasEnded, type OperationRecord, operationRecordSchema } from '../domain/operation.js';
import { oneLine } from '../domain/printable.js';
import type { AgentClient } from './agent-client.js';
import type { Context, Outcome } from './context.js';
import { EXIT, type ExitStatus } from './failure.js';
import { follow } from './follow.js';
import { formatEnd } from './format.js';
import { Progress } from './progress.js';

/** Starts a long operation and follows it to its end. */
export const runOperation = async (
  context: Context,
  path: string,
  body: object,
): Promise<Outcome> => {
  const { agent } = context;
  const { body: begun, location } = await agent.post(path, operationRecordSchema, body);
  // A planned promote runs on the primary.
  return watch(context, location === undefined ? agent : agent.at(location), begun);
};

/** Follows an operation of `agent` to its end. After Ctrl-C the operation goes on. */
export const watch = async (
  { screen, json }: Context,
  agent: AgentClient,
  first: OperationRecord,
): Promise<Outcome> => {
  const progress = new Progress(screen);
  const { id, kind, reason } = first;
  let record = first;
  const leave = () => {
    screen.clear();
    console.error(`${kind} goes on. To follow it again: coldspare history ${id}`);
    process.exit(130);
  };
  process.once('SIGINT', leave);
  try {
    if (!json) screen.line(`${id}${reason === '' ? '' : `: ${oneLine(reason)}`}`);
    for await (record of follow(agent, id)) if (!json) progress.show(record);
  } finally {
    process.off('SIGINT', leave);
    screen.clear();
  }
  return { value: record, lines: formatEnd(record), exit: exitOf(record) };
};

const exitOf = (record: OperationRecord): ExitStatus => {
  if (!hasEnded(record) || record.state === 'done') return EXIT.done;
  return record.state === 'refused' ? EXIT.refused : EXIT.failed;
};
