import { html } from 'hono/html';
import type { Html } from './words.js';

interface Dialog {
  /** As in `data-open` of the button. */
  name: string;
  title: string;
  method: 'POST' | 'DELETE';
  path: string;
  text: string;
  fields?: Html;
  /** Shows a dry run first, and the node's name has to be typed. */
  isGrave?: true;
}

const reason = html`
  <label>Reason, for the history <input name="reason" maxlength="500" autocomplete="off"></label>`;

const dialogsOf = (node: string): Dialog[] => [
  {
    name: 'promote',
    title: `Promote ${node}`,
    method: 'POST',
    path: '/promote',
    text: `${node} takes over and serves. Do this when the other server is lost or broken.`,
    fields: html`
      <label class="check"><input type="checkbox" name="planned"> Planned: ask the other server to hand over, so that nothing is lost</label>
      ${reason}
      <label class="check" data-force hidden><input type="checkbox" name="force"> Do it all the same (force): I know why it was refused</label>`,
    isGrave: true,
  },
  {
    name: 'demote',
    title: `Hand over from ${node}`,
    method: 'POST',
    path: '/demote',
    text: `${node} stops writes for some seconds, gives the other server everything, and stands by. No write is lost.`,
    fields: reason,
    isGrave: true,
  },
  {
    name: 'backup',
    title: 'Back up now',
    method: 'POST',
    path: '/backups',
    text: 'Takes a backup and sends it to the other server. The app goes on.',
    fields: reason,
  },
  {
    name: 'drill',
    title: 'Drill',
    method: 'POST',
    path: '/drill',
    text: 'Restores the newest backup beside everything else, counts it, says how long a takeover would take, and cleans up. Nothing that serves is touched.',
    fields: reason,
  },
  {
    name: 'release',
    title: 'Release',
    method: 'POST',
    // The button has the path with the backup's id.
    path: '',
    text: `You have looked at the backup that shrank, and nothing is missed. Then ${node} need not keep the backup before it any more.`,
  },
  {
    name: 'pause',
    title: `Pause ${node}`,
    method: 'POST',
    path: '/pause',
    text: 'No failover and no failback by itself until the time is up. Backups go on.',
    fields: html`
      <label>Minutes <input name="minutes" type="number" inputmode="numeric" min="1" max="10080" value="30" required></label>
      ${reason}`,
  },
  {
    name: 'resume',
    title: `Resume ${node}`,
    method: 'DELETE',
    path: '/pause',
    text: 'Failover and failback go on by themselves.',
  },
];

/** All dialogs. They are outside the sections that change, so that an update does not remove what was typed. */
export const dialogs = (node: string): Html => html`
  ${dialogsOf(node).map((dialog) => actionDialog(dialog, node))}
  <dialog id="dialog-key" aria-labelledby="title-key">
    <form>
      <h2 id="title-key">The admin key</h2>
      <p>ADMIN_TOKEN of this server. It stays in this tab until it is closed, and is sent to nobody but this server.</p>
      <label>Admin key <input name="key" type="password" autocomplete="off" spellcheck="false" required></label>
      <p class="error" role="alert"></p>
      <div class="buttons"><button type="submit">Use this key</button><button type="button" data-close>Cancel</button></div>
    </form>
  </dialog>`;

const actionDialog = (dialog: Dialog, node: string): Html => html`
  <dialog id="dialog-${dialog.name}" aria-labelledby="title-${dialog.name}">
    <form data-method="${dialog.method}" data-path="${dialog.path}" data-dry-run="${dialog.isGrave ? 'true' : ''}">
      <h2 id="title-${dialog.name}">${dialog.title}</h2>
      <p>${dialog.text}</p>
      ${dialog.isGrave && html`<div class="dry-run" role="status"></div>`}
      ${dialog.fields}
      ${
        dialog.isGrave &&
        html`<label>Type <b>${node}</b> to go on <input name="node" data-expect="${node}" autocomplete="off" autocapitalize="none" spellcheck="false" required></label>`
      }
      <p class="error" role="alert"></p>
      <div class="buttons">
        <button type="submit">${dialog.title}</button>
        <button type="button" data-close>Cancel</button>
      </div>
    </form>
  </dialog>`;
