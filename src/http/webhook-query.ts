import type { Fields } from './webhooks/provider.js';

/**
 * The webhook key in a URL's query, and the other fields. UptimeRobot appends its own to the URL as it was entered: with
 * a second question mark, or with nothing in between.
 */
export const splitQuery = (url: string): { token: string | undefined; fields: Fields } => {
  let token: string | undefined;
  const fields: [string, string][] = [];
  for (const [name, value] of new URL(url).searchParams) {
    if (name !== 'token' || token !== undefined) {
      fields.push([name, value]);
      continue;
    }
    const [, key = value, appended = ''] = /^(.*?)(?:\?|(?=monitorID=))(.*)$/s.exec(value) ?? [];
    token = key;
    fields.push(...new URLSearchParams(appended));
  }
  return { token, fields: Object.fromEntries(fields) };
};
