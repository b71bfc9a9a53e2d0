import { readFileSync } from 'node:fs';

/** The scripts of the page as they are: plain JavaScript, which the compiler only copies. */
export const SCRIPTS = ['main.js', 'live.js', 'key.js', 'actions.js'].map((name) => ({
  name,
  text: readFileSync(new URL(`browser/${name}`, import.meta.url), 'utf8'),
}));
