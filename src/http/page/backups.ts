import { html } from 'hono/html';
import { formatBytes } from '../../domain/format.js';
import type { BackupFacts } from './backup-facts.js';
import type { PageFacts } from './facts.js';
import { plot } from './plot.js';
import { badge, type Html, moment, sayAge } from './words.js';

/** The backups on this server's disk, and a plot of their size and age. */
export const backups = (facts: PageFacts): Html => {
  const kept = facts.backups.filter(({ isKept }) => isKept);
  return html`
  <h2>Backups on this server</h2>
  ${kept.length === 0 ? html`<p>There is none yet.</p>` : table(kept, facts)}
  ${facts.backups.length > 1 && plot(facts)}`;
};

const table = (kept: BackupFacts[], facts: PageFacts): Html => {
  const { now, isKeyed, maxAgeSeconds } = facts;
  return html`
  <div class="scroll" role="region" aria-label="Backups on this server, newest first" tabindex="0">
  <table>
    <thead><tr>
      <th scope="col">Age</th><th scope="col">Size</th><th scope="col">Proven by a restore</th>
      <th scope="col">Taken</th>${isKeyed && html`<th scope="col">Id</th>`}
    </tr></thead>
    <tbody>${kept.map(
      (backup, index) => html`<tr>
        <td>${sayAge(backup.ageSeconds)}${index === 0 && backup.ageSeconds > maxAgeSeconds && html` ${badge('bad', 'too old')}`}</td>
        <td>${formatBytes(backup.bytes)}</td>
        <td>${proof(backup, facts)}</td>
        <td>${moment(backup.takenAt, now)}</td>
        ${isKeyed && html`<td><code>${backup.id}</code></td>`}
      </tr>`,
    )}</tbody>
  </table>
  </div>`;
};

const proof = ({ proof: found }: BackupFacts, { self: { mode }, now }: PageFacts): Html => {
  if (found === null) return badge('plain', mode === 'standby' ? 'not yet' : 'not tried here');
  if (found.error === null) return html`${badge('good', 'yes')} ${moment(found.at, now)}`;
  return html`${badge('bad', 'cannot be restored')} ${found.error}`;
};
