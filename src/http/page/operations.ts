import { html } from 'hono/html';
import { formatBytes, formatCount } from '../../domain/format.js';
import type { OperationRecord, OperationState, StepRecord } from '../../domain/operation.js';
import { spoken } from '../../domain/spoken.js';
import type { PageFacts } from './facts.js';
import { badge, type Html, moment, sayLost, sayTook, type Tone } from './words.js';

/** Milliseconds for which an operation that has ended is still shown at the top. */
const NEWS = 15 * 60_000;

/** Entries of the history. */
const LIMIT = 30;

const TONES: Record<OperationState, Tone> = {
  running: 'plain',
  done: 'good',
  failed: 'bad',
  'rolled-back': 'warn',
  refused: 'warn',
};

/** The operation that runs, or the last one that is news, with its steps. */
export const operation = (facts: PageFacts): Html => {
  const record = facts.operation ?? facts.history.find((past) => isNews(past, facts.now));
  if (record === undefined) return html`<h2>Operation</h2><p class="quiet">Nothing runs.</p>`;
  return html`
  <h2>${record.state === 'running' ? 'Running' : 'Last operation'}: ${record.kind}</h2>
  <p data-say="${sayState(record)}">
    ${stateBadge(record)}
    ${record.state === 'running' ? 'for' : 'after'} ${sayTook(record.startedAt, record.endedAt, facts.now)},
    asked by ${record.source}${record.attempt > 1 && `, attempt ${record.attempt} after a crash`}
  </p>
  ${reason(record)}
  ${outcome(record)}
  ${record.state === 'done' ? foldedSteps('last', record, facts.now) : steps(record, facts.now)}`;
};

/** What happened on this server, newest first. Routine operations that succeeded are only counted. */
export const history = ({ history: past, now, isKeyed }: PageFacts): Html => {
  const told = past.filter((record) => !isRoutine(record));
  const routine = past.length - told.length;
  return html`
  <h2>History of this server</h2>
  ${told.length === 0 ? html`<p class="quiet">Nothing but routine.</p>` : html`<ol class="timeline">${told.slice(0, LIMIT).map((record) => entry(record, now))}</ol>`}
  ${routine > 0 && html`<p class="quiet">${routine} backups, pushes and preparations that went well are not listed.</p>`}
  ${!isKeyed && html`<p class="quiet">Reasons, errors and ids are shown with the admin key.</p>`}`;
};

const entry = (record: OperationRecord, now: number): Html => html`
  <li class="${toneOf(record)}">
    <p>${moment(record.startedAt, now)} <b>${record.kind}</b> ${stateBadge(record)}
      <span class="quiet">${sayTook(record.startedAt, record.endedAt, now)}</span></p>
    ${reason(record)}
    ${outcome(record)}
    ${foldedSteps('past', record, now)}
  </li>`;

const foldedSteps = (place: string, record: OperationRecord, now: number): Html | false =>
  record.steps.length > 0 &&
  html`<details id="${place}-${record.startedAt}-${record.kind}">
    <summary>${formatCount(record.steps.length, 'step')} of this ${record.kind}</summary>${steps(record, now)}
  </details>`;

const ROUTINE: ReadonlySet<string> = new Set(['backup', 'push', 'prepare', 'seed']);
const QUIET: ReadonlySet<string> = new Set([...ROUTINE, 'boot', 'drill']);

const isRoutine = ({ kind, state, error }: OperationRecord): boolean =>
  ROUTINE.has(kind) && (state === 'done' || error?.code === 'preempted');

/** What a person asked for, a change of role, and whatever did not go well. */
const isNews = ({ endedAt, kind, source, state }: OperationRecord, now: number): boolean =>
  endedAt !== null &&
  now - Date.parse(endedAt) < NEWS &&
  (source === 'operator' || state !== 'done' || !QUIET.has(kind));

const sayState = ({ kind, state, steps, error }: OperationRecord): string =>
  state === 'running'
    ? `${kind}: step ${steps.at(-1)?.name ?? 'start'}`
    : `${kind} ${state}${error === null ? '' : `: ${error.code}`}`;

/** An operation that was stopped for a more urgent one has not failed. */
const toneOf = ({ state, error }: OperationRecord): Tone =>
  error?.code === 'preempted' ? 'plain' : TONES[state];

const stateBadge = (record: OperationRecord): Html => {
  const { state, error } = record;
  return badge(toneOf(record), error === null ? state : `${state}: ${error.code}`);
};

const reason = ({ reason: text }: OperationRecord): Html | false =>
  text !== '' && html`<p class="reason">${text}</p>`;

/** The result, or the error and its remedy. Both are empty without the admin key. */
const outcome = ({ error, result }: OperationRecord): Html => {
  const { loss, lostSeconds } = result ?? {};
  return html`
  ${typeof lostSeconds === 'number' && html`<p class="loss">${sayLost(lostSeconds)}</p>`}
  ${typeof loss === 'string' && html`<p>${loss}</p>`}
  ${error !== null && error.message !== '' && html`<p>${error.message}</p><p><b>What to do:</b> ${spoken(error.remedy, 'page')}</p>`}`;
};

const steps = ({ steps: all }: OperationRecord, now: number): Html => html`
  <ol class="steps">${all.map((step) => stepItem(step, now))}</ol>`;

const STEP_SIGNS: Record<StepRecord['state'], string> = {
  running: '▶',
  done: '✓',
  failed: '✕',
  undone: '↶',
};

const stepItem = (step: StepRecord, now: number): Html => html`
  <li class="${step.state}">
    <span aria-hidden="true">${STEP_SIGNS[step.state]}</span>
    <b>${step.name}</b> ${step.state}
    <span class="quiet">${sayTook(step.startedAt, step.endedAt, now)}</span>
    ${step.progress !== undefined && step.state === 'running' && progress(step.progress)}
    ${step.detail !== null && html`<div class="detail">${spoken(step.detail, 'page')}</div>`}
  </li>`;

const progress = ({ done, total }: { done: number; total: number }): Html => html`
  <progress value="${done}" max="${Math.max(total, 1)}" aria-label="bytes moved"></progress>
  ${formatBytes(done)} of ${formatBytes(total)}`;
