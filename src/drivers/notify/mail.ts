import { type Channel, DeliveryError, type Message } from './channel.js';
import { titleOf } from './wording.js';

/** Milliseconds without a word from the mail server. The delivery as a whole has its own deadline. */
const SILENCE = 10_000;

/**
 * E-mail by SMTP. `smtps:` is encrypted from the start, `smtp:` where the server offers it. On ports that everybody uses
 * for one of the two, the port decides: the other way, both sides would wait for each other. Who is on the other side has
 * to be proven where a password is said, or where encryption was asked for.
 */
export const createMailChannel = (url: string): Channel => {
  const { searchParams, host } = new URL(url);
  const addresses = {
    from: unspace(searchParams.get('from') ?? ''),
    to: searchParams.getAll('to').map(unspace),
  };
  return {
    name: `mail ${host}`,
    deliver: async (message, signal) => {
      // Only now: an agent that sends no mail starts without it.
      const { createTransport } = await import('nodemailer');
      const transport = createTransport(transportOf(new URL(url)));
      const sent = transport.sendMail({ ...addresses, ...mailOf(message) }).catch(refuse);
      await Promise.race([sent, aborted(signal)]);
    },
  };
};

export const transportOf = ({ protocol, hostname, port, username, password }: URL) => ({
  host: hostname.replace(/^\[|\]$/g, ''),
  ...(port !== '' && { port: Number(port) }),
  secure: port === '465' || (protocol === 'smtps:' && port !== '587' && port !== '25'),
  // A password is never said in the clear, whoever may have taken the offer out on the way.
  requireTLS: username !== '' || protocol === 'smtps:',
  // As between mail servers: a local one that signs its own certificate is better than no encryption.
  ...(protocol === 'smtp:' &&
    username === '' &&
    port !== '465' && { tls: { rejectUnauthorized: false } }),
  ...(username !== '' && {
    auth: { user: decodeURIComponent(username), pass: decodeURIComponent(password) },
  }),
  ...{ connectionTimeout: SILENCE, greetingTimeout: SILENCE, socketTimeout: SILENCE },
  dnsTimeout: SILENCE,
});

/** In a query a plus sign stands for a space, and no address has one. */
const unspace = (address: string): string => address.replaceAll(' ', '+');

const mailOf = (message: Message) => {
  const { severity, at, data, remedy } = message;
  const lines = [
    message.message,
    ...(remedy === undefined ? [] : ['', `Next: ${remedy}`]),
    ...(data === undefined ? [] : ['', JSON.stringify(data, null, 2)]),
    '',
    `${message.node}, ${at}`,
  ];
  return {
    subject: titleOf(message),
    text: lines.join('\n'),
    priority: severity === 'critical' ? ('high' as const) : ('normal' as const),
    // No out-of-office answers.
    headers: { 'Auto-Submitted': 'auto-generated' },
  };
};

/** The server's own words may repeat the user or the addresses; its code says enough. */
const refuse = (thrown: unknown): never => {
  const { code, responseCode } = thrown as { code?: string; responseCode?: number };
  throw new DeliveryError(
    [
      code ?? 'no mail was sent',
      ...(responseCode === undefined ? [] : [`SMTP ${responseCode}`]),
    ].join(', '),
    { isFinal: responseCode !== undefined && responseCode >= 500 },
  );
};

const aborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
