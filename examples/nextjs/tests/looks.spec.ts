/** How the pages look and sound: both languages, both themes, every width, without a mouse. */

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

import type { Page } from '@playwright/test';
import type { AxeResults } from 'axe-core';

import { expect, jobIs, speak, test, write } from './stage';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const PAGES = ['/tools/credits', '/tools/speech', '/tools/voices', '/history'];
const ADMIN_PAGES = ['system', 'keys', 'statistics', 'errors', 'users', 'audit'].map((name) => `/admin/${name}`);

/** What axe finds that is serious. */
async function findings(page: Page): Promise<string[]> {
  // As a browser extension would: the page's own policy forbids other scripts.
  const { violations } = await page.evaluate<AxeResults, string>(async (source) => {
    const run = new Function(`${source}; return this.axe ?? window.axe;`) as () => typeof import('axe-core');
    return run.call(window).run({ resultTypes: ['violations'] });
  }, AXE);
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html}: ${failureSummary}`));
}

for (const colorScheme of ['light', 'dark'] as const) {
  test(`every page is usable by everybody, ${colorScheme}`, async ({ as, stage }, info) => {
    test.slow();
    await stage.credits('admin', 1_000);
    const page = await as('admin');
    await page.emulateMedia({ colorScheme });
    await write(page, 'Xin chào.');
    await speak(page);
    await jobIs(page, 'completed');
    expect(await findings(page)).toEqual([]);
    await page.screenshot({ path: info.outputPath(`job-${colorScheme}.png`), fullPage: true });
    for (const path of [...PAGES, ...ADMIN_PAGES]) {
      await page.goto(path);
      await page.waitForLoadState('networkidle');
      expect(await findings(page), path).toEqual([]);
      const name = `${path.slice(1).replace('/', '-')}-${colorScheme}.png`;
      await page.screenshot({ path: info.outputPath(name), fullPage: true });
    }
  });
}

test('nothing is wider than a phone', async ({ as }, info) => {
  const page = await as('admin');
  await page.setViewportSize({ width: 360, height: 740 });
  for (const path of [...PAGES, ...ADMIN_PAGES]) {
    await page.goto(path);
    await page.waitForLoadState('networkidle');
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    expect(width, path).toBeLessThanOrEqual(360);
    await page.screenshot({ path: info.outputPath(`phone-${path.slice(1).replace('/', '-')}.png`), fullPage: true });
  }
});

test('the pages and what the server says come in the language that was chosen', async ({ as, stage }) => {
  const page = await as('lan');
  await page.goto('/tools/speech');
  await expect(page.locator('html')).toHaveAttribute('lang', 'vi');
  await page.getByLabel('Ngôn ngữ').selectOption('en');
  await expect(page.locator('html')).toHaveAttribute('lang', 'en');
  await expect(page.getByRole('button', { name: 'Speak it' })).toBeVisible();
  await stage.kc.config.setMaintenance({ isFull: true });
  await expect(page.getByTestId('notice')).toHaveText('Server KingCong is under maintenance');
  await page.getByLabel('Language').selectOption('vi');
  await expect(page.getByTestId('notice')).toHaveText('Server KingCong đang bảo trì');
});

test('the theme that was chosen stays', async ({ as }) => {
  const page = await as('lan');
  await page.emulateMedia({ colorScheme: 'light' });
  await page.goto('/tools/credits');
  await expect(page.locator('html')).toHaveClass(/light/);
  await page.getByRole('button', { name: 'Giao diện sáng hoặc tối' }).click();
  await expect(page.locator('html')).toHaveClass(/dark/);
  await page.reload();
  await expect(page.locator('html')).toHaveClass(/dark/);
});

test('a package is bought without a mouse', async ({ as }) => {
  const page = await as('lan');
  await page.goto('/tools/credits');
  await page.keyboard.press('Tab');
  await expect(page.getByRole('link', { name: 'Đến nội dung chính' })).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(page.locator('#main')).toBeFocused();
  const buy = page.getByRole('button', { name: 'Mua Package 1' });
  for (let presses = 0; presses < 10; presses += 1) {
    if (await buy.evaluate((button) => button === document.activeElement)) break;
    await page.keyboard.press('Tab');
  }
  await expect(buy).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/\/pay\?/);
});
