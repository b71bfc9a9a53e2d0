/** Time, injected so that tests and the simulation own it. */
export interface Clock {
  /** Milliseconds since 1970. May jump when somebody sets the clock: for names and reports only. */
  now(): number;
  /** Milliseconds since any fixed moment. Never jumps: for deadlines and intervals. */
  elapsed(): number;
  /**
   * As `elapsed`, but since the start of this machine, which `boot` names: also other processes can compare it. Absent
   * where the machine does not say.
   */
  uptime?(): { boot: string; elapsed: number };
  /** Resolves after `ms` milliseconds. @throws the signal's reason when it is aborted first */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export const isoNow = ({ clock }: { clock: Pick<Clock, 'now'> }): string =>
  new Date(clock.now()).toISOString();
