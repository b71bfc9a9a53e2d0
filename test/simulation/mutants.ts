import type { Focus } from './focus.js';

/** A change that breaks a rule on purpose. */
export interface Mutant {
  /** Of DESIGN.md, "What must always hold". */
  rule: 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8;
  name: string;
  /** What schedules are about that catch it, where others catch it too seldom. */
  focus?: Focus;
  /** Only one schedule in hundreds or thousands catches it: for `npm run mutants` alone. */
  isRare?: true;
  edits: {
    file: string;
    /** Occurs exactly once. */
    search: string;
    replace: string;
  }[];
}

/** What the simulation must notice: at least one broken guard for every rule. */
export const MUTANTS: readonly Mutant[] = [
  {
    rule: 1,
    name: 'the app is started without a look at the lineage',
    focus: { trouble: 'volume recreated' },
    edits: [
      {
        file: 'src/operations/boot/boot.ts',
        search: 'if (!exists || (expected !== null && marker?.lineage !== expected)) {',
        replace: 'if (!exists) {',
      },
      {
        file: 'src/serve/serve.ts',
        search: 'if (marker === undefined || marker.lineage !== node.state.current.lineage)',
        replace: 'if (marker === undefined) return undefined;\n      if (signal.aborted)',
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
        file: 'src/background/guard.ts',
        search: 'return servesOtherData(node) ? stopSeeds(node) : startAgain();',
        replace: 'return startAgain();',
      },
    ],
  },
  {
    rule: 2,
    name: 'a rebooted primary serves without asking its peer',
    isRare: true,
    edits: [
      {
        file: 'src/operations/boot/boot.ts',
        search: `export const primarySteps = (node: Node, { anew = false } = {}): Step[] => [
  askPeerStep(node),`,
        replace: 'export const primarySteps = (node: Node, { anew = false } = {}): Step[] => [',
      },
    ],
  },
  {
    rule: 2,
    name: 'a takeover does not ask again before it commits',
    focus: { theme: 'partitions', settings: { MONITOR: 'on', WITNESS_URL: '' } },
    edits: [
      {
        file: 'src/operations/promote/promote.ts',
        search: '      fenceAgainStep(node, fencing),\n',
        replace: '',
      },
    ],
  },
  {
    rule: 2,
    name: 'a fenced primary resumes when its peer does not answer',
    isRare: true,
    edits: [
      {
        file: 'src/peer/note-epoch.ts',
        search: 'await node.peer.operation(operation);',
        replace: 'await node.peer.operation(operation).catch(() => undefined);',
      },
    ],
  },
  {
    rule: 2,
    name: 'a handover thaws when the answer to its offer is lost',
    focus: { theme: 'handovers', trouble: 'network weak' },
    edits: [
      {
        file: 'src/operations/handover/handover.ts',
        search: "isWithdrawn ||= isError(error, 'peer-refused');",
        replace: 'throw error;',
      },
    ],
  },
  {
    rule: 2,
    name: 'a primary that hears of a higher epoch goes on',
    edits: [
      {
        file: 'src/peer/note-epoch.ts',
        search: "if (epoch <= mine || mode === 'yielding') return;",
        replace: "if (epoch <= mine || mode !== 'standby') return;",
      },
    ],
  },
  {
    rule: 2,
    name: 'force goes on although the peer answers that it could not stop, and is not asked again',
    focus: { theme: 'forced takeovers', trouble: 'commands fail' },
    edits: [
      {
        file: 'src/operations/promote/fence-peer.ts',
        search: 'if (!isSilent && (machine === undefined || !couldNotStop(error))) throw error;',
        replace: '',
      },
      {
        file: 'src/operations/promote/fence-again.ts',
        search: 'if (!(await answersAgain(node, patience, signal))) return',
        replace: 'if (!(await answersAgain(node, patience, signal)) || !signal.aborted) return',
      },
    ],
  },
  {
    rule: 3,
    name: 'a handover dumps before it freezes',
    edits: [
      {
        file: 'src/operations/handover/handover.ts',
        search: `      freezeStep(node, handover),
      { ...dumpStep(node, handover.taken), name: 'final-dump' },`,
        replace: `      { ...dumpStep(node, handover.taken), name: 'final-dump' },
      freezeStep(node, handover),`,
      },
    ],
  },
  {
    rule: 3,
    name: 'every takeover says that nothing is lost',
    edits: [
      {
        file: 'src/operations/promote/choose-backup.ts',
        search: `  backup.id === complete
    ?`,
        replace: '  complete !== null ?',
      },
    ],
  },
  {
    rule: 3,
    name: 'a superseded node does not set its diverged data aside',
    edits: [
      {
        file: 'src/operations/boot/boot.ts',
        search: 'const detail = await setAside(node, standDown, signal);',
        replace:
          "const detail = signal.aborted ? await setAside(node, standDown, signal) : 'kept';",
      },
    ],
  },
  {
    rule: 4,
    name: 'diverged copies are dropped like replaced ones',
    edits: [
      {
        file: 'src/domain/database-names.ts',
        search: '  dated(replacedName(database, 0), names);',
        replace:
          '  [...dated(divergedName(database, 0), names), ...dated(replacedName(database, 0), names)];',
      },
    ],
  },
  {
    rule: 4,
    name: 'a restarted agent takes up a promote over the database that it serves',
    isRare: true,
    edits: [
      {
        file: 'src/operations/boot/recover.ts',
        search: "    mode !== 'primary' &&\n",
        replace: '',
      },
      {
        file: 'src/operations/restore/restore.ts',
        search: '        assertNotPrimary(node);\n',
        replace: '',
      },
    ],
  },
  {
    rule: 5,
    name: 'an upload is committed without its digest being compared',
    focus: { trouble: 'network weak' },
    edits: [
      {
        file: 'src/backups/backup-store.ts',
        search: 'if (upload.bytes === manifest.bytes && upload.sha256 === manifest.sha256) return;',
        replace: 'if (upload.bytes >= 0) return;',
      },
    ],
  },
  {
    rule: 5,
    name: 'retention goes by the names of backups',
    edits: [
      {
        file: 'src/domain/retention.ts',
        search: '.sort(newestFirst)',
        replace: '.sort((a, b) => newestFirst(a, a) || b.id.localeCompare(a.id))',
      },
    ],
  },
  {
    rule: 6,
    name: 'the role is committed before the database is restored',
    edits: [
      {
        file: 'src/operations/promote/promote.ts',
        search: `      ...restoreSteps(node, restoration),
      fenceAgainStep(node, fencing),
      commitStep(node, restoration, 'unplanned'),`,
        replace: `      commitStep(node, restoration, 'unplanned'),
      ...restoreSteps(node, restoration),
      fenceAgainStep(node, fencing),`,
      },
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
        file: 'src/state/node-state.ts',
        search: 'return new NodeState(disk, path, now, parseState(path, text));',
        replace: `{
      const data = parseState(path, text);
      const mode = data.mode === 'yielding' ? 'primary' : data.mode;
      return new NodeState(disk, path, now, { ...data, mode });
    }`,
      },
    ],
  },
  {
    rule: 6,
    name: 'a restarted agent takes up a takeover that its peer was told has failed',
    focus: { theme: 'handovers', step: 'promote.verify' },
    edits: [
      {
        file: 'src/operations/boot/recover.ts',
        search: "    command.type !== 'take-over' &&\n",
        replace: '',
      },
      {
        file: 'src/operations/boot/recover.ts',
        search: 'const plan = planPromote(',
        replace:
          "const plan = command.type === 'take-over' ? planTakeOver(node, command as never) : planPromote(",
      },
      {
        file: 'src/operations/boot/recover.ts',
        search: "import { planPromote } from './promote.js';",
        replace: "import { planPromote, planTakeOver } from './promote.js';",
      },
    ],
  },
  {
    rule: 7,
    name: 'what a crash has cut is never closed',
    edits: [
      {
        file: 'src/operations/boot/recover.ts',
        search: '    else await node.runner.close(record, endingOf(node, record));',
        replace: '    else endingOf(node, record);',
      },
    ],
  },
  {
    rule: 7,
    name: 'an operation that fails does not say why',
    edits: [
      {
        file: 'src/engine/runner.ts',
        search: '        : { code: error.code, message: error.message, remedy: error.remedy };',
        replace: "        : { code: error.code, message: error.message, remedy: '' };",
      },
    ],
  },
  {
    rule: 7,
    name: 'two promotes past their commit wait for each other',
    focus: { theme: 'forced takeovers', trouble: 'agent killed' },
    isRare: true,
    edits: [
      {
        file: 'src/operations/boot/boot.ts',
        search: "operation?.kind === 'promote' && !operation.committed;",
        replace: "operation?.kind === 'promote';",
      },
    ],
  },
  {
    rule: 8,
    name: 'the guard leaves an app alone that somebody else started',
    edits: [
      {
        file: 'src/background/guard.ts',
        search: 'if (await node.stack.app.isRunning()) return stopForeignApp(node);',
        replace: 'if (await node.stack.app.isRunning()) node.log.warn({}, stopForeignApp.name);',
      },
    ],
  },
];
