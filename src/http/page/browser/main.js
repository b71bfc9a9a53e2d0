import { dialogOf, formIn, openAction, prepareActions, tellError } from './actions.js';
import { ask, forgetKey, getKey, keepKey, sayProblem } from './key.js';
import { watch } from './live.js';

document.documentElement.classList.add('scripted');
const keyButton = /** @type {HTMLButtonElement} */ (document.getElementById('key'));
const keyDialog = dialogOf('key');
const keyForm = formIn(keyDialog);

/**
 * The action that waits for the key.
 * @type {string | undefined}
 */
let waiting;

document.addEventListener('click', ({ target }) => {
  if (!(target instanceof HTMLElement)) return;
  const { open, path } = target.dataset;
  if (open !== undefined && path !== undefined) formIn(dialogOf(open)).dataset.path = path;
  if (open !== undefined) act(open);
  if (target.hasAttribute('data-close')) target.closest('dialog')?.close();
});

keyButton.addEventListener('click', () => {
  if (getKey() === null) return askForKey();
  forgetKey();
  keyChanged();
});

keyForm.addEventListener('submit', async (event) => {
  event.preventDefault();
  tellError(keyForm, '');
  const key = String(new FormData(keyForm).get('key')).trim();
  const refusal = await tryKey(key);
  if (refusal !== undefined) return tellError(keyForm, refusal);
  keepKey(key);
  keyDialog.close();
  keyChanged();
  if (waiting !== undefined) openAction(waiting);
  waiting = undefined;
});
keyDialog.addEventListener('close', () => keyForm.reset());
document.addEventListener('keychange', () => keyChanged());

/** @param {string} action */
const act = (action) => {
  if (getKey() !== null) return openAction(action);
  askForKey();
  waiting = action;
};

const askForKey = () => {
  waiting = undefined;
  tellError(keyForm, '');
  keyDialog.showModal();
};

/**
 * Why the key is not taken; undefined when it is.
 * @param {string} key
 */
const tryKey = async (key) => {
  // What cannot stand in a header is no key.
  if (!/^[\x21-\x7e]+$/.test(key)) return 'A key is printable ASCII without spaces.';
  try {
    const answer = await ask('/details', {}, key);
    return answer.ok ? undefined : await sayProblem(answer);
  } catch {
    return 'The server does not answer.';
  }
};

const keyChanged = () => {
  keyButton.textContent = getKey() === null ? 'Enter the admin key…' : 'Forget the admin key';
  watch();
};

prepareActions();
keyChanged();
