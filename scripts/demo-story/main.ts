import { setTimeout as pause } from 'node:timers/promises';
import { crashApp, handBack } from './app-crash.js';
import { type Cast, gatherCast } from './cast.js';
import { Cleanup } from './cleanup.js';
import { closeBooks } from './closing.js';
import { bringBack, loseMachine } from './machine-loss.js';
import { Narrator } from './narrator.js';
import { openShop, pushBackup } from './opening.js';
import { createScreen } from './screen.js';
import type { Stage } from './stage.js';

/** Milliseconds after which a demo that hangs is ended: many times what the story takes on two idle cores. */
const DEADLINE = 540_000;

/** Two servers, a load balancer and customers: what happens when a server dies, and afterwards. */
const tellStory = async (stage: Stage): Promise<void> => {
  await openShop(stage);
  await pushBackup(stage);

  await crashApp(stage);
  await handBack(stage);

  await pushBackup(stage);
  const lost = await loseMachine(stage);
  await bringBack(stage, lost);

  await closeBooks(stage);
  stage.narrator.table(stage.rows);
};

const screen = createScreen(process.stdout);
const cleanup = new Cleanup();

let isEnding = false;

/** Ends the demo and leaves no process, port or file behind. The first call decides the exit code. */
const end = async (code: number): Promise<void> => {
  if (isEnding) return;
  isEnding = true;
  screen.close();
  await cleanup.run().catch((error) => console.error(error));
  process.exit(code);
};

const main = async (): Promise<void> => {
  process.on('SIGINT', () => end(130));
  process.on('SIGTERM', () => end(143));
  process.on('SIGHUP', () => end(129));
  // Such as EPIPE, when the program that reads our output has ended.
  process.on('uncaughtException', (error) => {
    if (!isEnding) console.error(error);
    end(1);
  });
  const began = performance.now();
  const narrator = new Narrator(screen);
  const cast = await gatherCast(cleanup);
  try {
    await Promise.race([tellStory({ ...cast, narrator, rows: [] }), deadline()]);
  } catch (error) {
    if (!isEnding) await explain(error, cast);
    return end(1);
  }
  const seconds = Math.round((performance.now() - began) / 1_000);
  narrator.say(`all ${narrator.claims} claims hold; it took ${seconds} s`);
  return end(0);
};

const deadline = async (): Promise<never> => {
  await pause(DEADLINE);
  throw new Error(`the story did not end within ${DEADLINE / 1_000} s`);
};

/** Prints the error and the last log lines of the agents, whose logs are removed afterwards. */
const explain = async (error: unknown, { vcl2, vcl3 }: Cast): Promise<void> => {
  screen.close();
  for (const machine of [vcl2, vcl3])
    console.error(`\nthe end of ${machine.name}'s log:\n${await machine.logTail()}`);
  console.error(`\n✘ ${error instanceof Error ? error.message : error}`);
};

await main();
