import type { Random } from '../../simulation/random.js';
import { TOKENS } from '../tokens.js';

/** Bytes that are no whole request. */
export interface Broken {
  because: string;
  text: Buffer;
  /** The sender goes away after it, without waiting for an answer. */
  hangsUp: boolean;
}

const HOST = 'Host: vcl2\r\n';
const ADMIN = `Authorization: Bearer ${TOKENS.admin}\r\n`;
const PEER = `Authorization: Bearer ${TOKENS.peer}\r\n`;
const JSON_TYPE = 'Content-Type: application/json\r\n';

/** What would be done if the request around it were whole: it shows in `/status` and hurts nobody. */
const PAUSE = `POST /pause HTTP/1.1\r\n${HOST}${ADMIN}${JSON_TYPE}`;
const MINUTES = '{"minutes": 5}';
const LENGTH = `Content-Length: ${MINUTES.length}\r\n`;

type Maker = (random: Random) => string | Buffer;

const bytes = (random: Random, length: number): Buffer =>
  Buffer.from(Array.from({ length }, () => random.integer(0, 255)));

/** The sender waits for the answer, if there is one, and for the connection's end. */
const REFUSED: Record<string, Maker> = {
  'a length and chunks': () => `${PAUSE}${LENGTH}Transfer-Encoding: chunked\r\n\r\n${MINUTES}`,
  'two lengths': () => `${PAUSE}${LENGTH}Content-Length: 2\r\n\r\n${MINUTES}`,
  'a length that is none': (random) =>
    `${PAUSE}Content-Length: ${random.pick(['-1', '+14', '0x0e', '14,14', '1e1', '9'.repeat(30), ''])}\r\n\r\n${MINUTES}`,
  'an encoding that is none': (random) =>
    `${PAUSE}Transfer-Encoding: ${random.pick(['xchunked', 'chunked, identity', 'gzip', 'chunked\x0b'])}\r\n\r\ne\r\n${MINUTES}\r\n0\r\n\r\n`,
  'chunks that are none': (random) =>
    `${PAUSE}Transfer-Encoding: chunked\r\n\r\ne\r\n${MINUTES}\r\n${random.pick(['zz', '-1', 'ffffffffffffffffff', '\0'])}\r\n`,
  'a chunk that is longer than it says': () =>
    `${PAUSE}Transfer-Encoding: chunked\r\n\r\n2\r\n${MINUTES}\r\n0\r\n\r\n`,
  'a body that is longer than it says': () => `${PAUSE}Content-Length: 3\r\n\r\n${MINUTES}`,
  'a body that is too large': () =>
    `${PAUSE}Content-Length: 70000\r\nConnection: close\r\n\r\n{"reason": "${'x'.repeat(70_000 - 14)}"}`,
  'a null byte in a header': () => `${PAUSE}X: \0\r\n${LENGTH}\r\n${MINUTES}`,
  'a null byte in the path': () =>
    `POST /pause\0 HTTP/1.1\r\n${HOST}${ADMIN}${LENGTH}\r\n${MINUTES}`,
  'a header without a name': () => `${PAUSE}: x\r\n${LENGTH}\r\n${MINUTES}`,
  'a header with a blank in its name': () => `${PAUSE}Cont ent: x\r\n${LENGTH}\r\n${MINUTES}`,
  'huge headers': (random) =>
    `${PAUSE}X: ${'x'.repeat(random.integer(17_000, 60_000))}\r\n${LENGTH}\r\n${MINUTES}`,
  'very many headers': (random) =>
    `${PAUSE}${'X: y\r\n'.repeat(random.integer(100, 4_000))}${LENGTH}Connection: close\r\n\r\n${MINUTES}`,
  'a huge path': (random) =>
    `GET /${'x'.repeat(random.integer(17_000, 60_000))} HTTP/1.1\r\n${HOST}${ADMIN}\r\n`,
  'another version': (random) =>
    `POST /pause HTTP/${random.pick(['9.9', '1.9', '3.0', 'x', ''])}\r\n${HOST}${ADMIN}${JSON_TYPE}${LENGTH}\r\n${MINUTES}`,
  'a method that is none': (random) =>
    `${random.pick(['PAUSE', 'post', 'P\0ST', 'POST\t', '{'])} /pause HTTP/1.1\r\n${HOST}${ADMIN}${LENGTH}\r\n${MINUTES}`,
  'no Host': () =>
    `POST /pause HTTP/1.1\r\n${ADMIN}${JSON_TYPE}${LENGTH}Connection: close\r\n\r\n${MINUTES}`,
  'a Host that is none': (random) =>
    `POST /pause HTTP/1.1\r\nHost: ${random.pick(['a b', 'a/b', '[::1', 'a@b:', '\\', '%'])}\r\n${ADMIN}${JSON_TYPE}${LENGTH}Connection: close\r\n\r\n${MINUTES}`,
  'another protocol asked for': () =>
    `GET /none HTTP/1.1\r\n${HOST}${ADMIN}Connection: upgrade, close\r\nUpgrade: websocket\r\n\r\n${PAUSE}${LENGTH}\r\n`,
  HTTP2: () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  'a TLS handshake': (random) =>
    Buffer.concat([Buffer.from('16030100c8010000c40303', 'hex'), bytes(random, 190)]),
  noise: (random) =>
    Buffer.concat([bytes(random, random.integer(1, 900)), Buffer.from('\r\n\r\n')]),
  'a tunnel': () => `CONNECT 127.0.0.1:5432 HTTP/1.1\r\n${HOST}${ADMIN}\r\n`,
};

/** The sender goes away in the middle. */
const CUT: Record<string, Maker> = {
  'half of the headers': (random) => PAUSE.slice(0, random.integer(1, PAUSE.length - 1)),
  'half of a body': (random) =>
    `${PAUSE}${LENGTH}\r\n${MINUTES.slice(0, random.integer(0, MINUTES.length - 1))}`,
  'less than announced': () => `${PAUSE}Content-Length: 100\r\n\r\n${MINUTES}`,
  'no last chunk': () => `${PAUSE}Transfer-Encoding: chunked\r\n\r\ne\r\n${MINUTES}\r\n`,
  'half of a dump': (random) =>
    `PUT /backups/fuzz-${random.hex(6)}_20010101_000000 HTTP/1.1\r\n${HOST}${PEER}Coldspare-Epoch: 1\r\nContent-Length: 9000\r\n\r\n${random.hex(400)}`,
  'half of a manifest': (random) =>
    `POST /backups/fuzz-${random.hex(6)}_20010101_000000/commit HTTP/1.1\r\n${HOST}${PEER}${JSON_TYPE}Content-Length: 900\r\n\r\n{"id": "fuzz`,
};

export const makeBroken = (random: Random): Broken => {
  const hangsUp = random.chance(0.3);
  const [because, make] = random.pick(Object.entries(hangsUp ? CUT : REFUSED) as [[string, Maker]]);
  const made = make(random);
  return { because, text: Buffer.isBuffer(made) ? made : Buffer.from(made, 'latin1'), hangsUp };
};
