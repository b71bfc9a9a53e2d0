import { ask, sayProblem, spoken } from './key.js';

/** @type {HTMLElement} */
const say = /** @type {HTMLElement} */ (document.getElementById('say'));

/**
 * Opens the dialog of an action, and shows first what would happen.
 * @param {string} name
 */
export const openAction = (name) => {
  const dialog = dialogOf(name);
  const form = formIn(dialog);
  form.reset();
  const force = form.querySelector('[data-force]');
  if (force instanceof HTMLElement) force.hidden = true;
  tellError(form, '');
  dialog.showModal();
  if (form.dataset.dryRun === 'true') dryRun(form);
};

/** Makes the forms of all actions work. */
export const prepareActions = () => {
  for (const form of document.querySelectorAll('form[data-path]')) {
    if (!(form instanceof HTMLFormElement)) continue;
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      submit(form);
    });
    for (const choice of form.querySelectorAll('[type=checkbox]'))
      choice.addEventListener('change', () => dryRun(form));
  }
};

/** @param {string} name */
export const dialogOf = (name) =>
  /** @type {HTMLDialogElement} */ (document.getElementById(`dialog-${name}`));

/** @param {HTMLDialogElement} dialog */
export const formIn = (dialog) => /** @type {HTMLFormElement} */ (dialog.querySelector('form'));

/**
 * @param {HTMLFormElement} form
 * @param {string} text
 */
export const tellError = (form, text) => {
  const place = form.querySelector('.error');
  if (place !== null) place.textContent = text;
};

/** @param {HTMLFormElement} form */
const submit = async (form) => {
  const typed = form.elements.namedItem('node');
  if (typed instanceof HTMLInputElement && typed.value !== typed.dataset.expect) {
    tellError(
      form,
      `"${typed.value}" is not the name of this server: type ${typed.dataset.expect}.`,
    );
    typed.focus();
    return;
  }
  const button = submitOf(form);
  button.disabled = true;
  try {
    const answer = await send(form, {});
    if (!answer.ok) return tellError(form, await sayProblem(answer));
    form.closest('dialog')?.close();
    say.textContent = `${button.textContent}: asked for.`;
    document.getElementById('main')?.focus();
  } catch {
    tellError(
      form,
      'The server does not answer. Whether it has begun can be seen on this page once it does.',
    );
  } finally {
    button.disabled = false;
  }
};

/** @type {Promise<unknown>} */
let asked = Promise.resolve();

/** @param {HTMLFormElement} form */
const dryRun = async (form) => {
  const place = /** @type {HTMLElement} */ (form.querySelector('.dry-run'));
  const button = submitOf(form);
  button.disabled = true;
  place.replaceChildren(line('Looking at what would happen…'));
  const mine = send(form, { dryRun: true });
  asked = mine;
  try {
    const answer = await mine;
    // It was asked again meanwhile, with other choices.
    if (asked !== mine) return;
    if (!answer.ok) return place.replaceChildren(line(await sayProblem(answer)));
    const found = await answer.json();
    place.replaceChildren(...describe(found));
    button.disabled = !found.wouldRun;
    const force = form.querySelector('[data-force]');
    if (force instanceof HTMLElement && !found.wouldRun) force.hidden = false;
  } catch {
    place.replaceChildren(line('The server does not answer.'));
  }
};

/**
 * What would happen, in the server's own words.
 * @param {{ refusal: { code: string, message: string, remedy: string } | null, peer: string, backup: string | null, loss: string | null, steps: string[] }} found
 */
const describe = ({ refusal, peer, backup, loss, steps }) =>
  refusal !== null
    ? [
        line(`This would be refused: ${refusal.code}.`, 'b'),
        line(refusal.message),
        line(`What to do: ${spoken(refusal.remedy)}`),
      ]
    : [
        line('This would run.', 'b'),
        ...(loss === null ? [] : [line(`What would be lost: ${loss}.`, 'b')]),
        line(`The other server: ${peer}.`),
        ...(backup === null ? [] : [line(`It would start from ${backup}.`)]),
        line(`The steps: ${steps.join(' → ')}`),
      ];

/**
 * @param {HTMLFormElement} form
 * @param {object} more
 */
const send = (form, more) => {
  const { method = 'POST', path = '' } = form.dataset;
  if (method === 'DELETE') return ask(path, { method });
  return ask(path, {
    method,
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ ...fieldsOf(form), ...more }),
  });
};

/**
 * What the route takes; the typed name is for this page alone.
 * @param {HTMLFormElement} form
 */
const fieldsOf = (form) => {
  const data = new FormData(form);
  return {
    reason: String(data.get('reason') ?? ''),
    ...(data.has('minutes') && { minutes: Number(data.get('minutes')) }),
    ...(data.has('planned') && { planned: true }),
    ...(data.has('force') && { force: true }),
  };
};

/** @param {HTMLFormElement} form */
const submitOf = (form) =>
  /** @type {HTMLButtonElement} */ (form.querySelector('button[type=submit]'));

/**
 * @param {string} text
 * @param {string} [tag]
 */
const line = (text, tag = 'span') => {
  const paragraph = document.createElement('p');
  const inside = document.createElement(tag);
  inside.textContent = text;
  paragraph.append(inside);
  return paragraph;
};
