import { type Edit, movedBefore } from './break-code.js';
import type { Focus } from './focus.js';
import { WITNESS, WRONG_APP } from './options.js';

/** A change that breaks a rule on purpose. */
export interface Mutant {
  /** Of DESIGN.md, "What must always hold". */
  rule: 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8;
  name: string;
  /** What schedules are about that catch it, where others catch it too seldom. */
  focus?: Focus;
  /** Only one schedule in hundreds or thousands catches it: for `npm run mutants` alone. */
  isRare?: true;
  edits: Edit[];
}

/** What the simulation must notice: at least one broken guard for every rule. */
export const MUTANTS: readonly Mutant[] = [
  {
    rule: 1,
    name: 'the app is started without a look at the lineage',
    focus: { trouble: 'volume recreated' },
    edits: [
      {
        in: 'checkLineage',
        take: 'LogicalExpression',
        with: ['expected', 'lineage'],
        put: 'false',
      },
      {
        in: 'openDatabase',
        take: 'IfStatement',
        with: ['foreignDatabase'],
        put: 'if (marker === undefined) return;',
      },
    ],
  },
  {
    rule: 1,
    name: 'a database that was made anew under a running app is not noticed',
    focus: { trouble: 'volume recreated' },
    isRare: true,
    edits: [
      {
        in: 'createGuardRound',
        take: 'ConditionalExpression',
        with: ['servesForeignDatabase'],
        put: 'restartApp()',
      },
    ],
  },
  {
    rule: 2,
    name: 'a rebooted primary serves without asking its peer',
    isRare: true,
    edits: [{ in: 'bootPrimary', take: 'ExpressionStatement', with: ['askPeer'], put: '' }],
  },
  {
    rule: 2,
    name: 'a restarted agent goes on although it was away for long',
    focus: { theme: 'partitions', trouble: 'agent killed' },
    edits: [{ in: 'hasServedOn', take: 'LogicalExpression', with: ['elapsed'], put: 'true' }],
  },
  {
    rule: 2,
    name: 'a takeover does not ask again before it commits',
    focus: { theme: 'partitions', settings: { MONITOR: 'on', WITNESS_URL: '' } },
    edits: [
      {
        in: 'prepareTakeover',
        take: 'ExpressionStatement',
        with: ['assertStillUnreachable'],
        put: '',
      },
    ],
  },
  {
    rule: 2,
    name: 'a fenced primary resumes when its peer does not answer',
    isRare: true,
    edits: [
      {
        in: 'resolvePendingYield',
        take: 'ConditionalExpression',
        with: ['peer', 'cancel', 'operation'],
        put: (text) => `await (async () => ${text})().catch(() => undefined)`,
      },
    ],
  },
  {
    rule: 2,
    name: 'a handover thaws when the answer to its offer is lost',
    focus: { theme: 'handovers', trouble: 'network weak' },
    edits: [
      {
        in: 'askForDecision',
        take: 'ExpressionStatement',
        with: ['peer-refused'],
        put: 'throw error;',
      },
    ],
  },
  {
    rule: 2,
    name: 'a primary that hears of a higher epoch goes on',
    edits: [
      {
        in: 'PairLeadership.noteEpoch',
        take: 'BinaryExpression',
        with: ['yielding'],
        put: "mode !== 'standby'",
      },
    ],
  },
  {
    rule: 2,
    name: 'force goes on although the peer answers that it could not stop, and is not asked again',
    focus: { theme: 'forced takeovers', trouble: 'commands fail' },
    edits: [
      { in: 'fence-peer.fence', take: 'IfStatement', with: ['couldNotStop'], put: '' },
      {
        in: 'assertStillUnreachable',
        take: 'AwaitExpression',
        with: ['isReachable'],
        put: 'false',
      },
    ],
  },
  {
    rule: 2,
    name: 'a check that has never worked says that the app is down',
    focus: {
      theme: 'lost agents',
      settings: { MONITOR: 'on', WITNESS_URL: '', PRIMARY_CHECK_URL: WRONG_APP },
    },
    edits: [{ in: 'appView', take: 'ConditionalExpression', with: ['unproven'], put: "'down'" }],
  },
  {
    rule: 2,
    name: 'the witness is not asked again before a takeover commits',
    focus: {
      theme: 'a lonely primary',
      settings: { MONITOR: 'on', WITNESS_URL: WITNESS, PREPARE: 'on-promote', ALONE: 'wait' },
    },
    edits: [
      {
        in: 'assertStillUnreachable',
        take: 'IfStatement',
        with: ['assertNotServed'],
        put: '',
      },
    ],
  },
  {
    rule: 2,
    name: 'a primary that boots alone does not ask the witness',
    focus: {
      theme: 'a lonely primary',
      settings: { MONITOR: 'on', WITNESS_URL: WITNESS, ALONE: 'serve', ALONE_GRACE: '10s' },
    },
    edits: [{ in: 'whyNotAlone', take: 'IfStatement', with: ['serves'], put: 'return undefined;' }],
  },
  {
    rule: 2,
    name: 'a clone of the other node is heard',
    focus: { trouble: 'clone heard' },
    edits: [{ in: 'checkSender', take: 'BinaryExpression', with: ['sender', 'peer'], put: 'true' }],
  },
  {
    rule: 4,
    name: 'a node that has lost its state begins anew',
    focus: { theme: 'handovers', trouble: 'state lost' },
    edits: [
      { in: 'NodeState.open', take: 'CallExpression', with: ['inDoubt'], put: 'first' },
      { in: 'PairLeadership.isOwn', take: 'CallExpression', with: ['isOwnEpoch'], put: 'false' },
    ],
  },
  {
    rule: 3,
    name: 'a primary that has gone back in time serves on',
    focus: { theme: 'handovers', trouble: 'machine rewound', settings: { ALONE: 'wait' } },
    edits: [
      { in: 'assertNotOlder', take: 'LogicalExpression', with: ['why', 'primary'], put: 'true' },
    ],
  },
  {
    rule: 3,
    name: 'a database that is older than a backup of it is served again',
    focus: { trouble: 'machine rewound', settings: { ALONE: 'wait' } },
    edits: [
      { in: 'roleAfterLoss', take: 'CallExpression', with: ['behindBackup'], put: 'undefined' },
    ],
  },
  {
    rule: 3,
    name: 'a restore replaces what was served at an epoch that its node does not remember',
    focus: { theme: 'handovers', trouble: 'state rewound' },
    edits: [
      {
        in: 'unknownDataReason',
        take: 'ConditionalExpression',
        with: ['parity', 'promotion'],
        put: 'true',
      },
      { in: 'hasForgotten', take: 'LogicalExpression', with: ['served', 'parity'], put: 'false' },
    ],
  },
  {
    rule: 3,
    name: 'a handover dumps before it freezes',
    edits: [
      {
        in: 'planHandover',
        take: 'BlockStatement',
        with: ['freezeWrites', 'finalSync'],
        put: movedBefore('finalSync', 'freezeWrites'),
      },
    ],
  },
  {
    rule: 3,
    name: 'every takeover says that nothing is lost',
    edits: [
      { in: 'formatLoss', take: 'BinaryExpression', with: ['complete'], put: 'complete !== null' },
    ],
  },
  {
    rule: 3,
    name: 'a takeover that was used gives way to a primary that served all along',
    focus: { theme: 'partitions', settings: { MONITOR: 'on', WITNESS_URL: '' } },
    edits: [{ in: 'isUnused', take: 'LogicalExpression', with: ['includes'], put: 'true' }],
  },
  {
    rule: 3,
    name: 'a takeover from a backup of another branch gives way',
    isRare: true,
    edits: [
      { in: 'isUnused', take: 'LogicalExpression', with: ['served', 'restored'], put: 'true' },
    ],
  },
  {
    rule: 3,
    name: 'a superseded node does not set its diverged data aside',
    edits: [{ in: 'setAsideIfDue', take: 'AwaitExpression', with: ['setAside'], put: "'kept'" }],
  },
  {
    rule: 4,
    name: 'diverged copies are dropped like replaced ones',
    edits: [
      {
        in: 'replacedCopies',
        take: 'CallExpression',
        with: ['dated'],
        put: (text) => `[...dated(divergedName(database, 0), names), ...${text}]`,
      },
    ],
  },
  {
    rule: 4,
    name: 'a restarted agent takes up a promote over the database that it serves',
    isRare: true,
    edits: [
      {
        in: 'planPromoteRestart',
        take: 'BinaryExpression',
        with: ['mode', 'primary'],
        put: 'true',
      },
      { in: 'swapIn', take: 'ExpressionStatement', with: ['assertNotPrimary'], put: '' },
    ],
  },
  {
    rule: 5,
    name: 'an upload is committed without its digest being compared',
    focus: { trouble: 'network weak' },
    edits: [
      {
        in: 'Uploads.assertSame',
        take: 'LogicalExpression',
        with: ['sha256'],
        put: 'upload.bytes >= 0',
      },
    ],
  },
  {
    rule: 5,
    name: 'retention goes by the names of backups',
    edits: [
      {
        in: 'retention.expired',
        take: 'Identifier',
        with: ['newestFirst'],
        put: '(a, b) => newestFirst(a, a) || b.id.localeCompare(a.id)',
      },
    ],
  },
  {
    rule: 6,
    name: 'the role is committed before the database is restored',
    edits: [
      {
        in: 'prepareTakeover',
        take: 'AwaitExpression',
        with: ['replication', 'takeOver'],
        put: (text) => `(await commitRole(node, steps, { epoch, cause: 'unplanned' }), ${text})`,
      },
      { in: 'planTakeOverFromLost', take: 'ExpressionStatement', with: ['commitRole'], put: '' },
    ],
  },
  {
    rule: 6,
    name: 'a restarted agent has forgotten its promise',
    focus: {
      theme: 'failovers',
      trouble: 'agent killed',
      step: 'promote.rescue',
      action: 'agent killed',
    },
    edits: [
      {
        in: 'NodeState.open',
        take: 'CallExpression',
        with: ['parseState'],
        put: (text) =>
          `((data) => ({ ...data, mode: data.mode === 'yielding' ? 'primary' : data.mode }))(${text})`,
      },
    ],
  },
  {
    rule: 6,
    name: 'a restarted agent takes up a takeover that its peer was told has failed',
    focus: { theme: 'handovers', step: 'promote.verify' },
    edits: [
      {
        in: 'take-over.resume',
        take: 'CallExpression',
        with: ['planPromoteRemainder'],
        put: (text) => `${text} ?? planTakeOver(node, _command)`,
      },
    ],
  },
  {
    rule: 7,
    name: 'an app that fails on both servers is taken over for ever',
    focus: {
      theme: 'bad releases',
      settings: { MONITOR: 'on', CHECK_INTERVAL: '2s', APP_START_TIMEOUT: '20s' },
    },
    edits: [{ in: 'failsOnBoth', take: 'LogicalExpression', with: ['takeovers'], put: 'false' }],
  },
  {
    rule: 7,
    name: 'what a crash has cut is never closed',
    edits: [
      { in: 'recover', take: 'AwaitExpression', with: ['close'], put: 'endingOf(node, record)' },
    ],
  },
  {
    rule: 7,
    name: 'an operation that fails does not say why',
    edits: [
      { in: 'execute.finish', take: 'MemberExpression', with: ['error', 'remedy'], put: "''" },
    ],
  },
  {
    rule: 7,
    name: 'two promotes past their commit wait for each other',
    focus: { theme: 'forced takeovers', trouble: 'agent killed' },
    isRare: true,
    edits: [{ in: 'isPromoting', take: 'UnaryExpression', with: ['committed'], put: 'true' }],
  },
  {
    rule: 8,
    name: 'the guard leaves an app alone that somebody else started',
    edits: [
      {
        in: 'createGuardRound',
        take: 'ReturnStatement',
        with: ['stopForeignApp'],
        put: 'node.log.warn({}, stopForeignApp.name);',
      },
    ],
  },
];
