import { ask, forgetKey, getKey } from './key.js';

/** Milliseconds without a byte after which the connection counts as lost. The server says something every 10 s. */
const SILENCE = 25_000;
const RETRY = 2_000;

const connection = /** @type {HTMLElement} */ (document.getElementById('connection'));
const say = /** @type {HTMLElement} */ (document.getElementById('say'));
let stop = new AbortController();
let shownAt = Date.now();

/** Shows every change from now on, with or without the key, until it is called again. */
export const watch = async () => {
  stop.abort();
  const mine = new AbortController();
  stop = mine;
  while (!mine.signal.aborted) {
    const pause = await read(mine.signal).catch(() => RETRY);
    if (mine.signal.aborted) return;
    if (pause === RETRY) lost();
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
};

/**
 * One stream to its end. Resolves to the milliseconds to wait before the next one.
 * @param {AbortSignal} signal
 */
const read = async (signal) => {
  const quiet = new AbortController();
  let timer = setTimeout(() => quiet.abort(), SILENCE);
  try {
    const answer = await ask(getKey() === null ? '/' : '/details', {
      headers: { Accept: 'text/event-stream' },
      signal: AbortSignal.any([signal, quiet.signal]),
    });
    // The key was changed on the server.
    if (answer.status === 401) {
      forgetKey();
      document.dispatchEvent(new Event('keychange'));
      return 0;
    }
    if (!answer.ok || answer.body === null) return RETRY;
    let pause = RETRY;
    let rest = '';
    for await (const chunk of chunksOf(answer.body.pipeThrough(new TextDecoderStream()))) {
      clearTimeout(timer);
      timer = setTimeout(() => quiet.abort(), SILENCE);
      const events = (rest + chunk).split('\n\n');
      rest = events.pop() ?? '';
      for (const event of events) pause = take(event) ?? pause;
      alive();
    }
    return pause;
  } finally {
    clearTimeout(timer);
  }
};

/** @param {ReadableStream<string>} stream */
const chunksOf = async function* (stream) {
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
};

/**
 * One event. Returns the pause that the server asks for, if it does.
 * @param {string} event
 */
const take = (event) => {
  const retry = /^retry: (\d+)$/.exec(event)?.[1];
  if (retry !== undefined) return Number(retry);
  const data = /^data: (.*)$/m.exec(event)?.[1];
  if (data !== undefined) show(JSON.parse(data));
  return undefined;
};

/**
 * Puts a section in place of the one before. Who reads in it stays where they are.
 * @param {{ id: string, html: string }} section
 */
const show = ({ id, html }) => {
  const section = document.getElementById(id);
  if (section === null) return;
  const template = document.createElement('template');
  template.innerHTML = html;
  const open = [...section.querySelectorAll('details[open]')].map((details) => details.id);
  for (const details of template.content.querySelectorAll('details'))
    if (open.includes(details.id)) details.open = true;
  if (template.innerHTML === section.innerHTML) return;
  const focused = section.contains(document.activeElement) ? document.activeElement : null;
  const said = saidIn(section);
  section.replaceChildren(template.content);
  const again = focused?.id ? document.getElementById(focused.id) : null;
  again?.focus({ preventScroll: true });
  if (saidIn(section) !== said) say.textContent = saidIn(section);
};

/** The tab says who serves. */
const retitle = () => {
  const title = document.querySelector('[data-title]')?.getAttribute('data-title');
  if (title && document.title !== title) document.title = title;
};

/** @param {Element} section */
const saidIn = (section) => section.querySelector('[data-say]')?.getAttribute('data-say') ?? '';

const alive = () => {
  shownAt = Date.now();
  connection.textContent = 'Live';
  connection.classList.remove('lost');
  document.documentElement.classList.remove('stale');
  retitle();
};

const lost = () => {
  const since = new Date(shownAt).toISOString().slice(11, 19);
  connection.textContent = `Connection lost: this is how it was at ${since} UTC. Trying again.`;
  connection.classList.add('lost');
  document.documentElement.classList.add('stale');
  document.title = `No connection. ${document.body.dataset.node}`;
};
