import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import {
  axe,
  describeBrowser,
  launchBrowser,
  openPage,
  photograph,
  type Watched,
} from '../support/browser.js';
import {
  eventually,
  type Machine,
  type Pair,
  serves,
  standsBy,
  startPair,
  TOKENS,
} from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';

// Each waits for several things, and each of those may take LONG.
vi.setConfig({ testTimeout: 240_000 });

const PHONE = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true };

/** Milliseconds for what happens on a busy machine. */
const LONG = 60_000;

/** Waits until VCL3 has proven what VCL2 has taken: a drill would make way for that. */
const proves = ({ vcl2, vcl3 }: Pair): Promise<unknown> =>
  eventually('VCL3 has proven the newest backup', async () => {
    const [{ latestBackup }, { prepared, operation }] = await Promise.all([
      vcl2.agent.status(),
      vcl3.agent.status(),
    ]);
    return prepared !== null && prepared === latestBackup?.id && operation === null;
  });

const headline = (page: Page) => page.locator('#summary h2');

const hasText = (page: Page, selector: string, text: string | RegExp) =>
  page.locator(selector).filter({ hasText: text }).first().waitFor({ timeout: LONG });

/** How much wider the content is than the window. */
const overflow = (page: Page): Promise<number> =>
  page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth');

const enterKey = async (page: Page, key: string): Promise<void> => {
  await page.getByRole('textbox', { name: 'Admin key' }).fill(key);
  await page.getByRole('button', { name: 'Use this key' }).click();
};

describePostgres('the status page', () => {
  describeBrowser('in a browser', () => {
    let pair: Pair;
    let browser: Browser;
    let watched: Watched[] = [];
    beforeAll(async () => {
      pair = await startPair({ env: { PREPARE: 'on-receive' } });
      const { vcl2 } = pair;
      await vcl2.write('an order');
      for (let count = 0; count < 4; count += 1) {
        await vcl2.do('/backups');
        await proves(pair);
      }
      browser = await launchBrowser();
    }, 240_000);
    afterAll(async () => {
      await browser?.close();
      await pair?.remove();
    });

    const open = async (machine: Machine, options = {}): Promise<Page> => {
      const opened = await openPage(browser, `${machine.agent.url}/`, options);
      watched.push(opened);
      return opened.page;
    };

    /** With the key, and up to date. */
    const openKeyed = async (machine: Machine, options = {}): Promise<Page> => {
      const page = await open(machine, options);
      await page.getByRole('button', { name: 'Enter the admin key' }).click();
      await enterKey(page, TOKENS.admin);
      await hasText(page, '#servers', 'Lineage');
      return page;
    };

    afterEach(async () => {
      const seen = watched;
      watched = [];
      for (const { page } of seen) await page.context().close();
      expect(seen.flatMap(({ complaints }) => complaints)).toEqual([]);
      expect(seen.flatMap(({ strays }) => strays)).toEqual([]);
    });

    test('both servers say who serves and whether the newest backup is proven, to anybody', async () => {
      for (const machine of [pair.vcl2, pair.vcl3]) {
        const page = await open(machine);
        await hasText(page, '#summary h2', 'vcl2 serves.');
        await hasText(
          page,
          '#summary p',
          /vcl3 stands by; newest backup .* old, proven by a restore/,
        );
        await hasText(page, '#connection', 'Live');
        expect(await page.title()).toBe(`vcl2 serves. ${machine.agent.name}`);
        const text = await page.locator('body').innerText();
        expect(text).not.toMatch(/127\.0\.0\.1|ledger|lineage|\/tmp/i);
      }
    });

    test.each([
      ['light', { colorScheme: 'light' }],
      ['dark', { colorScheme: 'dark' }],
      ['phone', { ...PHONE, colorScheme: 'light' }],
      ['phone-dark', { ...PHONE, colorScheme: 'dark' }],
    ] as const)('it can be read by everybody: %s', async (name, options) => {
      const page = await openKeyed(pair.vcl3, options);
      await photograph(page, name);
      expect(await axe(page)).toEqual([]);
      expect(await overflow(page)).toBe(0);
      await page.setViewportSize({ width: 320, height: 640 });
      expect(await overflow(page)).toBe(0);
    });

    test('without JavaScript it can be read, and says what to type', async () => {
      const page = await open(pair.vcl3, { javaScriptEnabled: false });
      expect(await headline(page).innerText()).toContain('vcl2 serves.');
      expect(await page.locator('noscript').innerText()).toContain('/promote');
      expect(await page.getByRole('button').filter({ visible: true }).count()).toBe(0);
      await photograph(page, 'no-script');
    });

    test('by keyboard alone: a wrong key is told, the right one shows the details, Escape leaves', async () => {
      const page = await open(pair.vcl3);
      await hasText(page, '#connection', 'Live');
      const { keyboard } = page;
      await keyboard.press('Tab');
      expect(await page.evaluate('document.activeElement.textContent')).toBe('Skip to the state');
      await keyboard.press('Tab');
      await keyboard.press('Enter');
      await keyboard.type('a-wrong-key');
      await keyboard.press('Enter');
      await hasText(page, '#dialog-key .error', 'this key is not valid here. What to do: send');
      await keyboard.press('ControlOrMeta+a');
      await keyboard.type(TOKENS.admin);
      await keyboard.press('Enter');
      await hasText(page, '#servers', 'Lineage');
      expect(await page.locator('dialog[open]').count()).toBe(0);

      for (let count = 0; count < 30; count += 1) {
        await keyboard.press('Tab');
        if ((await page.evaluate('document.activeElement.id')) === 'open-pause') break;
      }
      await keyboard.press('Enter');
      await page.locator('#dialog-pause[open]').waitFor();
      await keyboard.press('Escape');
      expect(await page.locator('dialog[open]').count()).toBe(0);
      expect(await page.evaluate('document.activeElement.id')).toBe('open-pause');
    });

    test('a pause is asked for, shows its end and its reason, and is taken back', async () => {
      const page = await openKeyed(pair.vcl3);
      await page.getByRole('button', { name: 'Pause…' }).click();
      await page.getByLabel('Minutes').fill('10');
      await page.locator('#dialog-pause').getByLabel('Reason').fill('a deploy');
      await page.getByRole('button', { name: 'Pause vcl3' }).click();
      await hasText(page, '#actions', /Paused until .* UTC: a deploy/);
      await hasText(page, '#summary p', 'nothing fails over or back by itself');
      expect((await pair.vcl3.agent.status()).pause).toMatchObject({ reason: 'a deploy' });
      await page.getByRole('button', { name: 'Resume…' }).click();
      await page.getByRole('button', { name: 'Resume vcl3' }).click();
      await page.getByRole('button', { name: 'Pause…' }).waitFor();
      expect((await pair.vcl3.agent.status()).pause).toBeNull();
    });

    test('a backup by click is there without a reload', async () => {
      const page = await openKeyed(pair.vcl2);
      const before = (await pair.vcl2.agent.status()).latestBackup?.id ?? '';
      await page.getByRole('button', { name: 'Back up now…' }).click();
      await page.locator('#dialog-backup button[type=submit]').click();
      await hasText(page, '#operation', /backup.*done/s);
      await eventually('another one is the newest', async () => {
        const id = await page.locator('#backups tbody tr code').first().innerText();
        return id !== before;
      });
    });

    test('a drill by click says whether a takeover would work', async () => {
      await proves(pair);
      const page = await openKeyed(pair.vcl3);
      await page.getByRole('button', { name: 'Drill…' }).click();
      await page.locator('#dialog-drill button[type=submit]').click();
      await hasText(page, '#operation', /Last operation: drill.*done/s);
      await hasText(page, '#servers', /Last drill.*passed.*a takeover would take/s);
    });

    test('a promote of a standby whose primary is well is refused before it is asked for, with the reason', async () => {
      const page = await openKeyed(pair.vcl3);
      await page.getByRole('button', { name: 'Promote vcl3…' }).click();
      await hasText(
        page,
        '#dialog-promote .dry-run',
        /would be refused: primary-healthy.*What to do/s,
      );
      expect(await page.locator('#dialog-promote button[type=submit]').isDisabled()).toBe(true);
      expect(await page.getByLabel('Do it all the same').isVisible()).toBe(true);
      await page.getByLabel('Do it all the same').check();
      await hasText(page, '#dialog-promote .dry-run', 'This would run.');
      await page.getByLabel('Do it all the same').uncheck();
      await hasText(page, '#dialog-promote .dry-run', 'This would be refused');
      await photograph(page, 'refused');
      expect(await axe(page)).toEqual([]);
      await page.getByLabel('Planned').check();
      await hasText(
        page,
        '#dialog-promote .dry-run',
        /This would run.*nothing is lost.*final-dump/s,
      );
      await page.getByRole('button', { name: 'Cancel' }).filter({ visible: true }).click();
    });

    test('VCL2 is lost at night: a promote by click, watched live until VCL3 serves', async () => {
      const { vcl2, vcl3 } = pair;
      const page = await openKeyed(vcl3, { colorScheme: 'dark' });
      const onPhone = await openKeyed(vcl3, { ...PHONE, colorScheme: 'light' });
      await page.evaluate('globalThis.isTheSamePage = true');
      await vcl2.losePower();
      await hasText(page, '#summary h2', 'vcl2 does not answer.');
      await hasText(page, '#summary p', 'vcl2 last answered less than a minute ago');
      await photograph(page, 'lost');
      await hasText(onPhone, '#summary h2', 'vcl2 does not answer.');
      expect([...(await axe(page)), ...(await axe(onPhone))]).toEqual([]);

      await page.getByRole('button', { name: 'Promote vcl3…' }).click();
      await hasText(page, '#dialog-promote .dry-run', /This would run.*fence-again.*commit-role/s);
      await hasText(page, '#dialog-promote .dry-run', /What would be lost: .* is lost/);
      const dialog = page.locator('#dialog-promote');
      await dialog.getByLabel('Reason').fill('VCL2 has lost its power');
      await dialog.getByLabel('Type vcl3 to go on').fill('vcl2');
      await photograph(page, 'dry-run');
      await page.getByRole('button', { name: 'Promote vcl3', exact: true }).click();
      await hasText(page, '#dialog-promote .error', '"vcl2" is not the name of this server');
      expect((await vcl3.agent.status()).operation).toBeNull();

      await vcl3.inject([{ label: 'promote.start-app', moment: 'before', action: 'hold' }]);
      await dialog.getByLabel('Type vcl3 to go on').fill('vcl3');
      await page.getByRole('button', { name: 'Promote vcl3', exact: true }).click();
      await hasText(page, '#operation h2', 'Running: promote');
      await hasText(page, '#operation li.running', 'start-app');
      await hasText(page, '#summary h2', 'vcl3 is taking over: step start-app.');
      const running = page.locator('#operation li.running .quiet');
      const first = await running.innerText();
      await eventually('its time ticks', async () => (await running.innerText()) !== first);
      await photograph(page, 'promote');
      await hasText(onPhone, '#operation li.running', 'start-app');
      await photograph(onPhone, 'promote-phone');
      expect(await overflow(onPhone)).toBe(0);
      expect(await axe(page)).toEqual([]);

      await vcl3.release();
      await hasText(page, '#summary h2', 'vcl3 serves.');
      await hasText(page, '#operation', /Last operation: promote.*done.*VCL2 has lost its power/s);
      expect(await page.evaluate('globalThis.isTheSamePage')).toBe(true);
      expect(await vcl3.entries()).toEqual(['SEED', 'an order']);
    });

    test('VCL2 is back: a handover by click gives it everything, and both pages follow', async () => {
      const { vcl2, vcl3 } = pair;
      await vcl3.write('another order');
      await vcl2.agent.start();
      await standsBy(vcl2);
      const theirs = await openKeyed(vcl2);
      const page = await openKeyed(vcl3);
      await page.getByRole('button', { name: 'Hand over to vcl2…' }).click();
      await hasText(page, '#dialog-demote .dry-run', /This would run.*nothing is lost/s);
      await page.locator('#dialog-demote').getByLabel('Type vcl3').fill('vcl3');
      await page.locator('#dialog-demote button[type=submit]').click();
      await hasText(theirs, '#summary h2', 'vcl2 serves.');
      await hasText(page, '#summary h2', 'vcl2 serves.');
      await hasText(page, '#history', /handover.*done/s);
      await photograph(theirs, 'handed-over');
      await serves(vcl2);
      expect(await vcl2.entries()).toEqual(['SEED', 'an order', 'another order']);
    });

    test('an agent that stops is told from one that is well, and the page finds it again', async () => {
      const page = await openKeyed(pair.vcl3);
      const began = performance.now();
      await pair.vcl3.agent.stop();
      expect(performance.now() - began).toBeLessThan(LONG);
      await hasText(page, '#connection', 'Connection lost: this is how it was at');
      expect(await page.title()).toBe('No connection. vcl3');
      expect(await page.locator('#summary .badge').isVisible()).toBe(false);
      await photograph(page, 'stale');
      await pair.vcl3.agent.start();
      await hasText(page, '#connection', 'Live');
    });
  });
});
