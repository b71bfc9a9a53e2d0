/** What is at the other end of an entry of NOTIFY_URLS. */
export type ChannelKind = 'json' | 'slack' | 'discord' | 'ntfy' | 'mail';

export interface NotifyUrl {
  kind: ChannelKind;
  /** As it is connected to: without the prefix that names the kind. */
  url: string;
}

/** Where it says no prefix: the services that everybody has at the same host. */
const HOSTS: Readonly<Record<string, ChannelKind>> = {
  'hooks.slack.com': 'slack',
  'discord.com': 'discord',
  'discordapp.com': 'discord',
  'ntfy.sh': 'ntfy',
};

/** What ntfy takes as a topic. */
const TOPIC = /^\/[-\w]{1,64}$/;

/**
 * An entry of NOTIFY_URLS: the prefix (`slack+https://…`), else the scheme (`smtp:`, `smtps:`), else the host names the
 * kind; any other http(s) URL gets generic JSON.
 * @throws Error that says what is wrong, without the entry: its parts may be keys
 */
export const parseNotifyUrl = (entry: string): NotifyUrl => {
  const [, prefix, address = ''] = /^(?:(slack|discord|ntfy)\+)?(.*)$/s.exec(entry) ?? [];
  if (!URL.canParse(address)) throw new Error('is not a URL');
  const url = new URL(address);
  const kind = (prefix as ChannelKind | undefined) ?? kindOf(url);
  if (prefix !== undefined && !isHttp(url))
    throw new Error(`needs http: or https: after ${prefix}+`);
  if (kind === 'ntfy' && !TOPIC.test(url.pathname))
    throw new Error('needs one ntfy topic as its path, such as https://ntfy.sh/my-topic');
  if (kind === 'mail') refuseIncompleteMail(url);
  return { kind, url: address };
};

const kindOf = (url: URL): ChannelKind => {
  if (url.protocol === 'smtp:' || url.protocol === 'smtps:') return 'mail';
  if (isHttp(url)) return HOSTS[url.hostname] ?? 'json';
  throw new Error('needs http:, https:, smtp:, smtps:, or http(s) after slack+, discord+ or ntfy+');
};

const isHttp = ({ protocol }: URL): boolean => protocol === 'http:' || protocol === 'https:';

const refuseIncompleteMail = ({ hostname, searchParams }: URL): void => {
  if (hostname === '') throw new Error('needs the mail server: smtp://mail.example');
  for (const name of ['to', 'from']) {
    const addresses = searchParams.getAll(name);
    if (addresses.length === 0 || !addresses.every((address) => address.includes('@')))
      throw new Error(
        `needs an address as ?${name}=, such as ?to=ops@example.com&from=db@example.com`,
      );
  }
};
