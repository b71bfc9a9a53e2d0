import { html } from 'hono/html';
import { conditionOf, pageRemedy } from '../../domain/conditions/conditions.js';
import type { OperationRecord } from '../../domain/operation.js';
import { spoken } from '../../domain/spoken.js';
import type { PageFacts } from './facts.js';
import { headline } from './headline.js';
import type { ServerFacts } from './server-facts.js';
import { badge, capital, type Html, moment, type Tone } from './words.js';

const TAKEOVERS: ReadonlySet<string> = new Set(['promote', 'handover']);
const CHANGES: ReadonlySet<string> = new Set([...TAKEOVERS, 'fence']);

const WORDS: Record<Tone, string> = {
  good: 'All is well',
  warn: 'Attention',
  bad: 'Alarm',
  plain: '',
};

/** The one thing to read at 3 a.m. */
export const summary = (facts: PageFacts): Html => {
  const { tone, title, text } = headline(facts);
  return html`
  <div class="headline ${tone}" data-title="${title} ${facts.self.node}" data-say="${WORDS[tone]}: ${title}">
    <h2>${badge(tone, WORDS[tone])} ${title}</h2>
    <p>${text}</p>
  </div>`;
};

/** What is wrong on either server, each with what to do; empty when nothing is. */
export const problems = (facts: PageFacts): Html | '' => {
  const { self, peer, contact } = facts;
  const found = [
    ...standing(self).map((code) => problem(self.node, code)),
    ...(contact.state === 'answers' && peer ? standing(peer) : []).map((code) =>
      problem(peer?.node ?? '', code),
    ),
    ...[lastRefusal(facts)]
      .flatMap((record) => record ?? [])
      .map((record) => refusal(record, facts)),
  ];
  return found.length === 0 ? '' : html`<h2>What to do</h2><ul class="problems">${found}</ul>`;
};

/** What a change of role brings with it goes away with it, and is told by the headline. */
const standing = ({ problems: codes, operation }: ServerFacts): string[] =>
  CHANGES.has(operation?.kind ?? '')
    ? codes.filter((code) => code !== 'app-down' && code !== 'yielding')
    : codes;

const problem = (node: string, code: string): Html => {
  const condition = conditionOf(code);
  return html`<li><p><b>${node}: ${code}</b>: it ${condition.says}.</p><p>${capital(pageRemedy(condition))}.</p></li>`;
};

/** The last change of role, when it came to nothing: why nobody has taken over yet. */
const lastRefusal = ({ history, self }: PageFacts): OperationRecord | undefined => {
  const last = history.find(({ kind }) => TAKEOVERS.has(kind));
  const isOver = last === undefined || last.state === 'done' || self.serving;
  return isOver ? undefined : last;
};

const refusal = (
  { kind, state, error, startedAt }: OperationRecord,
  { self, now }: PageFacts,
): Html => html`
  <li><p><b>${self.node}: the last ${kind} was ${state}${error && `: ${error.code}`}</b>, at ${moment(startedAt, now)}.
    ${error?.message}</p>
    ${error?.remedy && html`<p>${capital(spoken(error.remedy, 'page'))}.</p>`}</li>`;
