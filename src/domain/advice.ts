interface Advice {
  means: string;
  todo: string;
}

/** What each problem that a node can have means, and what a person does about it. */
const ADVICE = {
  'app-down': {
    means: 'The app of the primary does not answer.',
    todo: "Within the first minutes nothing: the standby takes over, or this agent starts the app again. Then read the app's log.",
  },
  yielding: {
    means:
      'This server has promised not to serve until the other one has said whether it took over.',
    todo: 'Nothing, as long as the other server answers. When it is gone for good: promote this one, with force.',
  },
  'push-failing': {
    means: 'Backups are taken, but do not reach the other server.',
    todo: 'See whether the other server answers and has room on its disk. It is tried again by itself.',
  },
  'backup-stale': {
    means: 'The newest backup is too old: a takeover could lose everything written since.',
    todo: 'Take a backup on the primary, and see what became of the last ones in the history.',
  },
  'backup-unusable': {
    means: 'The newest backup could not be restored on this server.',
    todo: 'Take a new backup on the primary, then look at the disks of both servers.',
  },
  'peer-cannot-restore': {
    means: 'The newest backup could not be restored on the other server.',
    todo: 'Take a new backup here, then look at the disks of both servers.',
  },
  'drill-failed': {
    means: 'The last drill could not restore its backup.',
    todo: 'Take a new backup on the primary and drill again; the history has the reason.',
  },
  'certificate-unusable': {
    means:
      'The files of TLS_CERT, TLS_KEY and TLS_CA cannot be used as they are now; those before are still in use.',
    todo: 'The log says what is wrong. Put it right before a restart: with them the agent would not start.',
  },
  'certificate-expiring': {
    means: 'The certificate of this server ends within 14 days, or has ended.',
    todo: 'Put a new one in its place, with its key: it is taken up within seconds.',
  },
  'no-room': {
    means: 'The newest backup was not restored on trial, because it would not fit on the disk.',
    todo: "Free space where this server's databases lie. A promote restores without asking.",
  },
  'standing-down': {
    means: 'This server was superseded, and has still to set its database aside.',
    todo: 'See in the history what the last stand-down waits for.',
  },
} satisfies Record<string, Advice>;

/** Stable words; operations/status.ts says when a node has one. */
export type ProblemCode = keyof typeof ADVICE;

/** What a code stands for; one that is new here is explained by the manual. */
export const adviceOn = (code: string): Advice =>
  new Map<string, Advice>(Object.entries(ADVICE)).get(code) ?? {
    means: code,
    todo: 'The manual (wrangler-free-readme.md) says what to do about it.',
  };
