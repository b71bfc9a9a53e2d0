import type { AgentProcess, Answer } from '../../scripts/lib/agent-process.js';
import type { OperationRecord } from '../../src/domain/operation.js';
import { TOKENS } from './tokens.js';

/** A server that is operated through its agent. */
export class Operated {
  readonly agent: AgentProcess;

  constructor(agent: AgentProcess) {
    this.agent = agent;
  }

  /** Sends a POST as the operator and waits for the end of the operation. */
  async run(
    path: string,
    body: unknown = {},
    token = TOKENS.admin,
  ): Promise<Answer<OperationRecord>> {
    const headers = { authorization: `Bearer ${token}`, prefer: 'wait=200' };
    return this.agent.call<OperationRecord>('POST', path, { body, headers });
  }

  /** As `run`. @throws when the operation did not end as done */
  async do(path: string, body: unknown = {}): Promise<OperationRecord> {
    const answer = await this.run(path, body);
    if (answer.body.state === 'done') return answer.body;
    throw new Error(`${path} on ${this.agent.name}: ${JSON.stringify(answer.body)}`);
  }

  /** The operation of that kind that ended last; with `ending`, that ended last like this. */
  async lastOperation(
    kind: OperationRecord['kind'],
    ending?: OperationRecord['state'],
  ): Promise<OperationRecord | undefined> {
    const operations = await this.agent.operations();
    return operations.find(
      (record) =>
        record.kind === kind &&
        record.state !== 'running' &&
        record.state === (ending ?? record.state),
    );
  }
}
