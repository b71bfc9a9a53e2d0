/** Where a person reads a remedy. Errors are written for HTTP, where the next act is a call. */
export type Surface = 'terminal' | 'page';

/** A call as a pattern, the same act on a terminal, and on the status page. The longer ones come first. */
const ACTS: readonly [call: string, terminal: string, page: string][] = [
  [
    'POST /promote \\{"planned": true, "force": true\\}',
    'coldspare promote --planned --force',
    '"Promote" with "Planned" and force',
  ],
  [
    'POST /promote \\{"planned": true\\}',
    'coldspare promote --planned',
    '"Promote" with "Planned"',
  ],
  ['POST /promote \\{"force": true\\}', 'coldspare promote --force', '"Promote" with force'],
  [
    'POST /promote without "planned"',
    'coldspare promote without --planned',
    '"Promote" without "Planned"',
  ],
  ['POST /promote', 'coldspare promote', '"Promote"'],
  // What has no command and no button stays a call: POST /adopt, and all of a backup's own.
  ['(?<!/adopt )\\{"force": true\\}', '--force', 'force'],
  ['POST /demote', 'coldspare demote', '"Hand over"'],
  ['POST /backups(?!/)', 'coldspare backup', '"Back up now"'],
  ['POST /drill', 'coldspare drill', '"Drill"'],
  ['POST /pause', 'coldspare pause', '"Pause"'],
  ['DELETE /pause', 'coldspare pause --end', '"Resume"'],
  ['POST /notify', 'coldspare notify', 'coldspare notify on that server'],
  ['GET /operations/(\\S+)', 'coldspare history $1', 'the history'],
  ['GET /operations', 'coldspare history', 'the history'],
  ['GET /backups(?!/)', 'coldspare backups', 'the list of backups'],
  ['GET /(?:status|health)', 'coldspare status', 'the status page'],
];

/** The acts of one surface, also for the scripts of the page. */
export const actsOn = (surface: Surface): [call: string, act: string][] =>
  ACTS.map(([call, terminal, page]) => [call, surface === 'page' ? page : terminal]);

const patternsOn = (surface: Surface) =>
  actsOn(surface).map(([call, act]) => [new RegExp(call, 'g'), act] as const);

const PATTERNS = { terminal: patternsOn('terminal'), page: patternsOn('page') };

/** What `text` says to do, in the words of the surface. */
export const spoken = (text: string, surface: Surface): string =>
  PATTERNS[surface].reduce((said, [call, act]) => said.replace(call, act), text);
