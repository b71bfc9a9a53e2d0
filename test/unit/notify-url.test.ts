import { expect, test } from 'vitest';
import { parseNotifyUrl } from '../../src/domain/notify-url.js';

test.each([
  ['https://ops.example/hook', 'json', 'https://ops.example/hook'],
  ['http://10.0.0.9:9000/', 'json', 'http://10.0.0.9:9000/'],
  ['https://hooks.slack.com/services/T0/B0/x', 'slack', 'https://hooks.slack.com/services/T0/B0/x'],
  ['https://discord.com/api/webhooks/1/x', 'discord', 'https://discord.com/api/webhooks/1/x'],
  ['https://ntfy.sh/my-topic', 'ntfy', 'https://ntfy.sh/my-topic'],
  ['slack+https://chat.example/hooks/x', 'slack', 'https://chat.example/hooks/x'],
  ['discord+http://127.0.0.1:1/x', 'discord', 'http://127.0.0.1:1/x'],
  ['ntfy+https://u:p@ntfy.example/t', 'ntfy', 'https://u:p@ntfy.example/t'],
  // Only as the host itself.
  ['https://hooks.slack.com.example/x', 'json', 'https://hooks.slack.com.example/x'],
  [
    'smtp://u:p@mail.example:587/?to=a@b&from=c@d',
    'mail',
    'smtp://u:p@mail.example:587/?to=a@b&from=c@d',
  ],
  [
    'smtps://mail.example?from=c@d&to=a@b&to=e@f',
    'mail',
    'smtps://mail.example?from=c@d&to=a@b&to=e@f',
  ],
])('%s is for %s', (entry, kind, url) => {
  expect(parseNotifyUrl(entry)).toEqual({ kind, url });
});

test.each([
  ['secret', 'is not a URL'],
  ['ftp://secret.example/', 'needs http:, https:, smtp:'],
  ['slack+smtp://secret.example/', 'needs http: or https: after slack+'],
  ['https://ntfy.sh/', 'needs one ntfy topic'],
  ['https://ntfy.sh/secret/json', 'needs one ntfy topic'],
  ['smtp://secret.example/?to=a@b', 'needs an address as ?from='],
  ['smtp://secret.example/?to=secret&from=c@d', 'needs an address as ?to='],
  ['smtp:///?to=a@b&from=c@d', 'needs the mail server'],
])('%s is refused: %s', (entry, why) => {
  expect(() => parseNotifyUrl(entry)).toThrow(why);
  expect(() => parseNotifyUrl(entry)).not.toThrow('secret');
});
