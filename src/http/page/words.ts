import { html } from 'hono/html';
import { formatCount, formatDuration } from '../../domain/format.js';
import type { Mode } from '../../domain/transitions.js';
import type { BackupFacts } from './backup-facts.js';

/** A piece of the page. Whatever is put into `html` is escaped, unless it is such a piece itself. */
export type Html = ReturnType<typeof html>;

/** A length of time that changes at most once a minute, so that screen readers do not repeat it: `4 minutes`. */
export const sayAge = (seconds: number): string => {
  if (seconds < 60) return 'less than a minute';
  const minutes = Math.floor(seconds / 60);
  if (minutes < 120) return formatCount(minutes, 'minute');
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? formatCount(hours, 'hour') : formatCount(Math.floor(hours / 24), 'day');
};

export const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** `03:02:11 UTC`, with the date when it is not that of `now`. */
export const moment = (at: number | string, now: number): Html => {
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return html`an unknown time`;
  const iso = date.toISOString();
  const [day = '', time = ''] = iso.split('T');
  const isToday = new Date(now).toISOString().startsWith(day);
  return html`<time datetime="${iso}">${isToday ? '' : `${day} `}${time.slice(0, 8)} UTC</time>`;
};

/** How long something took, or has been taking; empty when that is not known. */
export const sayTook = (startedAt: string, endedAt: string | null, now: number): string => {
  const ms = (endedAt === null ? now : Date.parse(endedAt)) - Date.parse(startedAt);
  // While it runs, at least a second: milliseconds would flicker.
  return Number.isFinite(ms) ? formatDuration(Math.max(endedAt === null ? 1_000 : 0, ms)) : '';
};

/** What a takeover lost, as a figure. */
export const sayLost = (seconds: number): string =>
  seconds === 0
    ? 'Nothing was lost.'
    : `Lost: what was written in the last ${formatDuration(seconds * 1_000)} before the takeover.`;

/** Whether a backup was restored as a proof. Only a standby does that; elsewhere an unproven backup is normal. */
export const sayProof = (proof: BackupFacts['proof'], mode: Mode): string => {
  if (proof === null) return mode === 'standby' ? ', not proven yet' : '';
  return proof.error === null ? ', proven by a restore' : ', cannot be restored';
};

export type Tone = 'good' | 'warn' | 'bad' | 'plain';

const SIGNS: Record<Tone, string> = { good: '✓', warn: '!', bad: '✕', plain: '•' };

/** A word with a colour and a sign. The word alone is enough to understand it. */
export const badge = (tone: Tone, word: string): Html =>
  html`<span class="badge ${tone}"><span aria-hidden="true">${SIGNS[tone]}</span> ${word}</span>`;
