import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { AxeResults, RunOptions } from 'axe-core';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { describe } from 'vitest';

const PROGRAM = (process.env.PATH ?? '')
  .split(':')
  .map((directory) => join(directory, 'chromium'))
  .find((path) => existsSync(path));

/** `describe` for tests that need a browser; skipped with the reason in its name, but never in CI. */
export const describeBrowser = (name: string, tests: () => void): void => {
  if (PROGRAM !== undefined) {
    describe(name, tests);
  } else if (process.env.CI === 'true') {
    throw new Error(`${name}: there is no browser (chromium is not in PATH)`);
  } else {
    console.warn(`SKIPPED ${name}: there is no browser (chromium is not in PATH)`);
    describe.skip(`${name} (chromium is not installed)`, tests);
  }
};

/** Debian's chromium. Without its sandbox, which root cannot have; it sees nothing but our own pages. */
export const launchBrowser = (): Promise<Browser> =>
  chromium.launch({
    ...(PROGRAM !== undefined && { executablePath: PROGRAM }),
    args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'],
  });

export interface Watched {
  page: Page;
  /** Errors that the browser reported, such as a blocked script, except for error answers of the agent. */
  complaints: string[];
  /** Requests to anywhere but the page's own server. */
  strays: string[];
}

/** A page of its own at `url`, watched from the first request on. */
export const openPage = async (
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<Watched> => {
  const context = await browser.newContext({ reducedMotion: 'reduce', ...options });
  const page = await context.newPage();
  const complaints: string[] = [];
  const strays: string[] = [];
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => {
    const isRefusal = message.text().startsWith('Failed to load resource');
    if (['error', 'warning'].includes(message.type()) && !isRefusal)
      complaints.push(message.text());
  });
  await page.route(
    (asked) => asked.origin !== new URL(url).origin,
    (route) => {
      strays.push(route.request().url());
      return route.abort();
    },
  );
  await page.goto(url);
  return { page, complaints, strays };
};

const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

/** What axe finds against WCAG 2.2 A and AA and its best practices: one line a violation. */
export const axe = async (page: Page): Promise<string[]> => {
  await page.evaluate(await readFile(AXE, 'utf8'));
  const options: RunOptions = { resultTypes: ['violations'] };
  const { violations } = (await page.evaluate(
    // biome-ignore lint/suspicious/noExplicitAny: it runs in the browser, where axe was put a line above
    (given) => (globalThis as any).axe.run(given),
    options,
  )) as AxeResults;
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html}: ${failureSummary}`),
  );
};

/** A picture for a person, when SCREENSHOTS names a directory. */
export const photograph = async (page: Page, name: string): Promise<void> => {
  const directory = process.env.SCREENSHOTS;
  if (directory === undefined) return;
  await mkdir(directory, { recursive: true });
  // A dialog is in the window, not in the page.
  const fullPage = (await page.locator('dialog[open]').count()) === 0;
  await page.screenshot({ path: join(directory, `${name}.png`), fullPage });
};
