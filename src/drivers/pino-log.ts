import { type DestinationStream, pino, stdSerializers } from 'pino';
import type { Log } from '../ports/log.js';

/** Names under which a secret could stand in what is logged. None is logged on purpose; this is the second lock. */
const SECRETS = ['token', 'password', 'authorization', 'verifier', 'Authorization'];

/** JSON lines on stdout, each with the node's name. */
export const createPinoLog = (
  level: string,
  node: string,
  destination: DestinationStream = pino.destination(1),
): Log =>
  pino(
    {
      level,
      base: { node },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: {
        error: (error) => (error instanceof Error ? stdSerializers.err(error) : error),
      },
      redact: SECRETS.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]),
    },
    destination,
  );
