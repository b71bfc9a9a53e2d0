import { EventSourceParserStream } from 'eventsource-parser/stream';
import type { OperationRecord } from '../../src/domain/operation.js';

/** `GET /operations/{id}/events`: the operation at every change until it has ended. */
export async function* watchOperation(
  agentUrl: string,
  token: string,
  id: string,
): AsyncGenerator<OperationRecord> {
  const response = await fetch(`${agentUrl}/operations/${id}/events`, {
    headers: { authorization: `Bearer ${token}` },
  });
  if (!response.ok || response.body === null)
    throw new Error(`${agentUrl} answers ${response.status} to who wants to follow ${id}`);
  const events = response.body
    .pipeThrough(new TextDecoderStream())
    .pipeThrough(new EventSourceParserStream());
  for await (const { data } of events) yield JSON.parse(data) as OperationRecord;
}
