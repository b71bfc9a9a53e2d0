import { html } from 'hono/html';
import { formatBytes, formatDuration } from '../../domain/format.js';
import type { Contact, PageFacts } from './facts.js';
import type { ServerFacts } from './server-facts.js';
import { badge, type Html, moment, sayAge, sayProof } from './words.js';

/** Both servers, side by side. */
export const servers = (facts: PageFacts): Html => html`
  <h2>Servers</h2>
  <div class="cards">
    ${card(facts, facts.self, { state: 'answers' }, 'this server')}
    ${
      facts.peer === undefined
        ? unknownPeer(facts.contact)
        : card(facts, facts.peer, facts.contact, 'the other server')
    }
  </div>`;

const card = (facts: PageFacts, server: ServerFacts, contact: Contact, which: string): Html => {
  const { now, isKeyed, peerUrl } = facts;
  return html`
  <article class="card">
    <h3>${server.node} <small>${which}</small></h3>
    <p>${roleBadge(server, contact)} ${healthBadge(server, contact)}</p>
    ${contact.state === 'silent' && html`<p class="note">${silence(contact, now)}</p>`}
    <dl>
      ${fact('App', sayApp(server, isKeyed))}
      ${fact('Epoch', server.epoch)}
      ${fact('In this role since', server.since && moment(server.since, now))}
      ${fact('Replica', sayReplica(server))}
      ${fact('Newest backup', newest(server))}
      ${fact('Last drill', server.lastDrill && lastDrill(server.lastDrill, now))}
      ${fact('Does now', server.operation && sayOperation(server.operation))}
      ${fact('Paused until', server.pause && moment(server.pause.until, now))}
      ${fact('Gives the role back', server.failback?.due && sayFailback(server.failback, now))}
      ${fact('Pushing', server.push?.error && server.push.error)}
      ${fact('Without the other', server.alone)}
      ${fact('A takeover leaves behind', server.uncarried.join('; '))}
      ${fact('Differs from the primary', server.differences.join('; '))}
      ${fact('Lineage', server.lineage)}
      ${which === 'the other server' && fact('Page', peerUrl !== '' && html`<a href="${peerUrl}" rel="noreferrer">${peerUrl}</a>`)}
    </dl>
  </article>`;
};

/** A peer that has never answered this agent. */
const unknownPeer = (contact: Contact): Html => html`
  <article class="card">
    <h3>The other server</h3>
    <p>${badge(contact.state === 'silent' ? 'bad' : 'plain', contact.state === 'silent' ? 'does not answer' : 'not asked yet')}</p>
    ${contact.state === 'silent' && contact.error !== '' && html`<p class="note">${contact.error}</p>`}
  </article>`;

const fact = (name: string, value: unknown): Html | false =>
  value !== null &&
  value !== undefined &&
  value !== '' &&
  value !== false &&
  html`<dt>${name}</dt><dd>${value}</dd>`;

const roleBadge = ({ mode, serving }: ServerFacts, contact: Contact): Html => {
  if (contact.state !== 'answers') return badge('plain', `was ${mode} when it last answered`);
  if (mode === 'standby') return badge('plain', 'standby');
  if (mode === 'yielding') return badge('bad', 'yielding: waits for the other server');
  return serving ? badge('good', 'primary, serves') : badge('bad', 'primary, does not serve');
};

const healthBadge = ({ problems }: ServerFacts, contact: Contact): Html => {
  if (contact.state !== 'answers') return badge('bad', 'does not answer');
  return problems.length === 0 ? badge('good', 'healthy') : badge('warn', problems.join(', '));
};

const silence = (contact: Contact & { state: 'silent' }, now: number): Html => html`
  Last answer ${contact.since === undefined ? 'not since this agent started' : html`${sayAge((now - contact.since) / 1_000)} ago, at ${moment(contact.since, now)}`}.
  ${contact.error}`;

const sayApp = ({ app, mode }: ServerFacts, isKeyed: boolean): string => {
  if (app === null) return '';
  const word = app.answers
    ? 'answers'
    : mode === 'standby'
      ? 'stopped, as it should be'
      : 'does not answer';
  return isKeyed && mode !== 'standby' ? app.detail : word;
};

const newest = ({ latestBackup: backup, mode }: ServerFacts): string =>
  backup === null
    ? 'none'
    : `${sayAge(backup.ageSeconds)} old, ${formatBytes(backup.bytes)}${sayProof(backup.proof, mode)}`;

const LINES: Readonly<Record<string, string>> = {
  replica: 'a takeover would use it',
  backup: 'a takeover would use the newest backup',
  none: 'there is nothing that a takeover could use',
};

/** Which line a takeover would use now, and how far behind it is. */
const sayReplica = ({ replication, mode }: ServerFacts): string | undefined => {
  if (replication === undefined) return undefined;
  const { state, line, behindBytes } = replication;
  if (mode !== 'standby') return state;
  const behind = behindBytes === null ? '' : `, ${formatBytes(behindBytes)} behind`;
  return `${state}${behind}: ${LINES[line ?? ''] ?? ''}`;
};

const lastDrill = (drill: NonNullable<ServerFacts['lastDrill']>, now: number): Html => html`
  ${drill.passed ? badge('good', 'passed') : badge('bad', 'failed')} ${moment(drill.at, now)}${drill.takeOverSeconds !== null && `, a takeover would take ${formatDuration(drill.takeOverSeconds * 1_000)}`}
  ${drill.error}`;

const sayFailback = (
  { at, because }: NonNullable<ServerFacts['failback']>,
  now: number,
): Html => html`
  ${at === null ? 'not yet' : moment(at, now)}${because && `: ${because}`}`;

const sayOperation = ({ kind, steps }: NonNullable<ServerFacts['operation']>): string =>
  `${kind}, step ${steps.at(-1)?.name ?? 'start'}`;
