import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import { z } from 'zod';

/** A received request. */
interface Received {
  /** `performance.now()` when it was received. */
  at: number;
  path: string;
  headers: IncomingMessage['headers'];
  body: unknown;
}

export interface Service {
  /** `127.0.0.1:port`. */
  host: string;
  received: Received[];
  /** The status that the next request gets, whatever it holds; -1: no answer at all. */
  next: { status: number; headers?: Record<string, string> }[];
  close(): Promise<void>;
}

type Answer = (request: Received) => { status: number; body?: string };

/** An HTTP service that accepts and refuses requests as its documentation says. */
const serve = async (answer: Answer): Promise<Service> => {
  const received: Received[] = [];
  const next: Service['next'] = [];
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const raw = await text(request);
    const seen = {
      at: performance.now(),
      path: request.url ?? '',
      headers: request.headers,
      body: parse(raw),
    };
    received.push(seen);
    const other = next.shift();
    if (other?.status === -1) return;
    if (other !== undefined) {
      response.writeHead(other.status, other.headers).end();
      return;
    }
    const { status, body } = answer(seen);
    response.writeHead(request.method === 'POST' ? status : 405).end(body);
  };
  const server = createServer(handle).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    next,
    close: async () => {
      server.closeAllConnections();
      await once(server.close(), 'close');
    },
  };
};

const parse = (raw: string): unknown => {
  try {
    return JSON.parse(raw);
  } catch {
    return raw;
  }
};

const isJson = ({ headers }: Received): boolean =>
  headers['content-type']?.startsWith('application/json') === true;

const slackMessage = z.strictObject({
  text: z.string().min(1).max(40_000),
  unfurl_links: z.boolean().optional(),
});

/** A lone `&`, `<` or `>` is no text to Slack. */
const isEscaped = (text: string): boolean => !/[<>]|&(?!amp;|lt;|gt;)/.test(text);

/** Slack's incoming webhooks: one path, `ok`, and their few words for what is wrong. */
export const startSlack = (): Promise<Service> =>
  serve((request) => {
    if (request.path !== '/services/T000/B000/secret-of-slack')
      return { status: 404, body: 'no_service' };
    const message = slackMessage.safeParse(request.body);
    const isFine = isJson(request) && message.success && isEscaped(message.data.text);
    return isFine ? { status: 200, body: 'ok' } : { status: 400, body: 'invalid_payload' };
  });

const discordMessage = z.strictObject({
  content: z.string().min(1).max(2_000),
  allowed_mentions: z.strictObject({
    parse: z.array(z.enum(['roles', 'users', 'everyone'])).max(0),
  }),
});

/** Discord's webhooks: 204, or with `wait` 200 and the message. */
export const startDiscord = (): Promise<Service> =>
  serve((request) => {
    const { pathname, searchParams } = new URL(request.path, 'http://discord.invalid');
    if (pathname !== '/api/webhooks/123/secret-of-discord') return { status: 401 };
    if (!isJson(request) || !discordMessage.safeParse(request.body).success) return { status: 400 };
    return searchParams.get('wait') === 'true' ? { status: 200, body: '{}' } : { status: 204 };
  });

const ntfyMessage = z.strictObject({
  topic: z.string().regex(/^[-_A-Za-z0-9]{1,64}$/),
  title: z.string(),
  message: z.string().refine((text) => Buffer.byteLength(text) <= 4_096),
  priority: z.int().min(1).max(5),
  tags: z.array(z.string()),
});

/** An ntfy server with access control, which takes JSON at its root. */
export const startNtfy = (): Promise<Service> =>
  serve((request) => {
    const expected = `Basic ${Buffer.from(':tk_secret-of-ntfy').toString('base64')}`;
    if (request.headers.authorization !== expected) return { status: 403 };
    const isFine = request.path === '/' && ntfyMessage.safeParse(request.body).success;
    return { status: isFine ? 200 : 400 };
  });

/** A service that accepts any JSON. */
export const startProgram = (): Promise<Service> => serve(() => ({ status: 204 }));

export interface MailServer {
  host: string;
  /** Each message as it was received, with its headers. */
  received: {
    from: string;
    to: string[];
    raw: string;
    user: string | undefined;
    isEncrypted: boolean;
  }[];
  close(): Promise<void>;
}

/** A real SMTP server that keeps what it gets. */
export const startMailServer = async (options: SMTPServerOptions = {}): Promise<MailServer> => {
  const received: MailServer['received'] = [];
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: options.secure || options.key ? [] : ['STARTTLS'],
    logger: false,
    onAuth: ({ username, password }, _session, done) =>
      password === 'secret of mail' ? done(null, { user: username }) : done(new Error('no')),
    onData: (stream, session, done) => {
      void text(stream).then((raw) => {
        const { mailFrom, rcptTo } = session.envelope;
        received.push({
          from: mailFrom === false ? '' : mailFrom.address,
          to: rcptTo.map(({ address }) => address),
          raw,
          user: session.user as string | undefined,
          isEncrypted: session.secure,
        });
        done();
      });
    },
    ...options,
  });
  server.on('error', () => {});
  const listening = server.listen(0, '127.0.0.1');
  await once(listening, 'listening');
  return {
    host: `127.0.0.1:${(listening.address() as AddressInfo).port}`,
    received,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
};
