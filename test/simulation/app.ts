import { ColdspareError } from '../../src/domain/errors.js';
import type { ProbeResult } from '../../src/ports/probe.js';
import type { App } from '../../src/ports/stack.js';
import { type Health, SEEDS, type ServerImage } from './database.js';
import type { Life } from './life.js';
import type { Random } from './random.js';
import type { Timeline, Timer } from './timeline.js';

/** A machine's app. Its start-up migration seeds a database without tables, as the reference app does. */
export class AppImage {
  state: 'stopped' | 'starting' | 'running' = 'stopped';
  /** Who started it last: the agent, or somebody else (a restart policy, a person). */
  startedBy: 'agent' | 'somebody else' = 'agent';
  /** It dies when it is started. */
  isBroken = false;
  /** It runs, and answers every request with an error. */
  isSick = false;
  readonly #server: ServerImage;
  readonly #timeline: Timeline;
  #ready: Timer | undefined;

  constructor(server: ServerImage, timeline: Timeline) {
    this.#server = server;
    this.#timeline = timeline;
  }

  start(by: AppImage['startedBy'], readyAfter: number): void {
    if (this.state !== 'stopped') return;
    this.state = 'starting';
    this.startedBy = by;
    this.#ready = this.#timeline.after(readyAfter, () => {
      this.state = this.isBroken ? 'stopped' : 'running';
      this.#migrate();
    });
  }

  stop(): void {
    if (this.#ready !== undefined) this.#ready.isCancelled = true;
    this.state = 'stopped';
  }

  /** Whether a write through it would be taken now. */
  get takesWrites(): boolean {
    return this.state === 'running' && !this.isSick && this.#server.takesWrites;
  }

  /** Takes a write. Resolves to whether it was acknowledged. */
  write(row: number): boolean {
    if (!this.takesWrites) return false;
    this.#migrate();
    const { live } = this.#server;
    live?.rows.add(row);
    if (live !== undefined) live.writes += 1;
    return true;
  }

  /** What its health URL answers. */
  answer(): ProbeResult {
    if (this.state !== 'running') return { outcome: 'refuses', detail: 'nothing listens' };
    this.#migrate();
    const reads = this.#server.isRunning && this.#server.live?.hasTables === true;
    return { outcome: 'answers', status: reads && !this.isSick ? 200 : 500 };
  }

  #migrate(): void {
    const { live } = this.#server;
    if (this.state !== 'running' || !this.#server.takesWrites) return;
    if (live === undefined || live.hasTables) return;
    live.hasTables = true;
    for (const seed of SEEDS) live.rows.add(seed);
  }
}

/** Called when an agent asks for the app to be started. */
export type AppWatch = () => void;

/** The app as one run of an agent has it. */
export const createApp = (
  image: AppImage,
  health: Health,
  life: Life,
  random: Random,
  starting: AppWatch,
): App => {
  const change = (ms: number, effect: () => void, signal: AbortSignal) =>
    life.perform({
      ms: ms * health.slowness,
      signal,
      outlives: 'later',
      effect: () => {
        if (random.chance(health.sickness))
          throw new ColdspareError('app-failed', 'the service manager failed', 'ask it why');
        effect();
      },
    });
  return {
    start: (signal) => {
      // Now and then it takes longer than anybody waits for it (H07).
      starting();
      const readyAfter = random.chance(0.05) ? 90_000 : random.between(300, 8_000);
      return change(random.between(50, 1_000), () => image.start('agent', readyAfter), signal);
    },
    stop: (signal) => change(random.between(50, 2_000), () => image.stop(), signal),
    isRunning: async () => {
      await life.pause(random.between(1, 10));
      return image.state !== 'stopped';
    },
    check: async () => {
      await life.pause(random.between(1, 30));
      return image.answer();
    },
  };
};
