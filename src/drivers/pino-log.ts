import { type DestinationStream, pino, stdSerializers } from 'pino';
import type { Log } from '../ports/log.js';

/** Names of fields that could hold a secret. No secret is logged on purpose; this is the second line of defence. */
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
