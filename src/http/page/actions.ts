import { html } from 'hono/html';
import type { PageFacts } from './facts.js';
import { type Html, moment } from './words.js';

/** The actions that this server can take in its present role. */
export const actions = ({ self, peer, now }: PageFacts): Html => {
  const { mode, pause, node, shrunk } = self;
  const other = peer?.node ?? 'the other server';
  return html`
  <h2>Actions on ${node}</h2>
  <div class="buttons needs-script">
    ${mode !== 'primary' && button('promote', `Promote ${node}…`)}
    ${mode === 'primary' && button('demote', `Hand over to ${other}…`)}
    ${mode === 'primary' && button('backup', 'Back up now…')}
    ${mode !== 'yielding' && button('drill', 'Drill…')}
    ${shrunk.map(
      ({ before }) =>
        html`<button type="button" data-open="release" data-path="/backups/${before}/release">Release ${before}…</button>`,
    )}
    ${pause === null ? button('pause', 'Pause…') : button('resume', 'Resume…')}
  </div>
  ${
    pause !== null &&
    html`<p>Paused until ${moment(pause.until, now)}${pause.reason !== '' && `: ${pause.reason}`}.</p>`
  }
  <p class="quiet">${
    mode === 'primary'
      ? `To promote ${other} when this server is lost, go to the page of ${other}.`
      : `To back up, or to hand over without loss, go to the page of the server that serves.`
  }</p>`;
};

const button = (action: string, text: string): Html =>
  html`<button type="button" id="open-${action}" data-open="${action}">${text}</button>`;
