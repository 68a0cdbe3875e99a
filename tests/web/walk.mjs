// walk.mjs - the whole way through the studio in a real browser, in both languages, by mouse and by keys, with axe on every screen.
// Says "skipped: …" and ends with 77 where Chromium or the packages are not there.
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const skip = (why) => {
  console.log(`skipped: ${why}`);
  process.exit(77);
};
const here = createRequire(import.meta.url);
let axe;
try {
  axe = readFileSync(here.resolve('axe-core/axe.min.js'), 'utf8');
  here.resolve('puppeteer-core');
} catch {
  skip('npm ci in tests/web brings puppeteer-core and axe-core');
}
const { startStudio, startBrowser, openPage, drop, press, go, CHROMIUM } = await import('./studio.mjs');
const { drawFruit } = await import('./pictures.mjs');
if (!existsSync(CHROMIUM)) skip(`${CHROMIUM} is not there (CHROMIUM names another)`);

const SCREENS = ['start', 'data', 'train', 'result', 'see', 'map', 'try', 'export', 'history'];
const words = Object.fromEntries(['en', 'zh-TW'].map((l) => [l, JSON.parse(readFileSync(new URL(`../../web/i18n/${l}.json`, import.meta.url)))]));
const until = (page, f, ...args) => page.waitForFunction(f, { timeout: 60000 }, ...args);
const count = (page) => page.evaluate(async () => (await (await fetch('/api/v1/photos')).json()).total);

const accessible = async (page, where) => {
  const faults = await page.evaluate(async () => {
    const { violations } = await axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] });
    return violations.map((v) => `${v.id}: ${v.nodes.slice(0, 3).map((n) => `${n.html.slice(0, 160)} ${n.any[0]?.message ?? ''}`).join(' | ')}`);
  });
  return faults.map((f) => `${where}: ${f}`);
};

const home = mkdtempSync(join(tmpdir(), 'whisker-page-home-'));
process.env.WHISKER_HOME = home;
execFileSync(process.env.FIXTURE, [home]);
const browser = await startBrowser();

const walk = async (language) => {
  const t = words[language];
  const keys = language !== 'en';
  const studio = await startStudio('--backbone', join(home, 'backbone.safetensors'));
  const page = await openPage(browser, studio.address, { language });
  try {
    // Photos are dropped in, folders as classes.
    const photos = { apple: await drawFruit(page, 'apple', 20, 96), lemon: await drawFruit(page, 'lemon', 20, 96), plum: await drawFruit(page, 'plum', 20, 96) };
    [photos.apple[0], photos.lemon[0]] = [photos.lemon[0], photos.apple[0]];
    await drop(page, photos);
    await until(page, () => document.querySelector('.drop [role=status]'));
    assert.equal(await count(page), 60);

    // Labels are mended by keys alone: the grid is one stop of Tab, arrows move in it.
    await go(page, 'data');
    await page.waitForSelector('[role=gridcell][tabindex="0"]');
    await page.focus('[role=gridcell][tabindex="0"]');
    await page.keyboard.press('2');
    await until(page, () => document.querySelector('[data-id="1"] .tag').textContent === 'lemon');
    await page.focus('[role=gridcell][tabindex="0"]');
    for (let i = 0; i < 20; i++) await page.keyboard.press('ArrowRight');
    assert.equal(await page.evaluate(() => document.activeElement.dataset.id), '21');
    await page.keyboard.press('1');
    await until(page, () => document.querySelector('[data-id="21"] .tag').textContent === 'apple');
    await page.focus('[role=gridcell][tabindex="0"]');
    await page.keyboard.press('x');
    await until(page, () => !document.querySelector('[data-id="21"]'));
    await page.keyboard.down('Control');
    await page.keyboard.press('z');
    await page.keyboard.up('Control');
    await until(page, () => document.querySelector('[data-id="21"]'));

    // Trained, and the result read.
    await go(page, 'train');
    await press(page, t['train.go'], keys);
    await until(page, () => location.hash === '#/result' && document.querySelector('.big'));
    const { runs } = await page.evaluate(async () => (await fetch('/api/v1/runs')).json());
    assert.equal(runs.length, 1);
    assert.ok(await page.evaluate(() => document.querySelectorAll('table.matrix .cell').length) > 0);
    if (keys) await page.focus('table.matrix .cell').then(() => page.keyboard.press('Space'));
    else await page.click('table.matrix .cell');
    await until(page, () => document.querySelector('.cell[aria-pressed=true]'));

    // Why, and the map.
    await go(page, 'see');
    await until(page, () => document.querySelectorAll('.pictures img').length === 2);
    await go(page, 'map');
    await press(page, t['map.go'], keys);
    await until(page, () => document.querySelectorAll('.map .pick').length === 60);

    // Tried with the webcam.
    await go(page, 'try');
    await press(page, t['try.webcam'], keys);
    await until(page, () => document.querySelector('.bar'));
    await press(page, t['try.keep'], keys);
    await until(page, () => document.querySelector('main li figure img'));
    await press(page, t['try.close'], keys);

    // Every screen, in both schemes.
    const faults = [];
    await page.evaluate(axe);
    for (const scheme of ['light', 'dark']) {
      await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }, { name: 'prefers-reduced-motion', value: 'reduce' }]);
      for (const screen of SCREENS) {
        await go(page, screen);
        await until(page, () => document.querySelector('main h1'));
        faults.push(...(await accessible(page, `${screen}, ${language}, ${scheme}`)));
      }
    }
    assert.deepEqual(faults, []);

    // Reloaded: all is there, and what was done can be undone.
    await page.reload();
    await until(page, () => document.querySelector('main .page'));
    await go(page, 'data');
    await page.waitForSelector('[data-id="21"]');
    const label = () => page.evaluate(async () => (await (await fetch('/api/v1/photos')).json()).class[20]);
    assert.equal(await label(), 0);
    await press(page, t['edit.undo'], keys);
    await until(page, () => document.querySelector('[data-id="21"] .tag').textContent === 'lemon');
    assert.equal(await page.evaluate(() => document.documentElement.lang), language);
    assert.deepEqual(page.complaints, []);
  } catch (e) {
    console.log(await page.evaluate(() => document.body.innerText).catch(() => ''), page.complaints);
    throw e;
  } finally {
    await page.close();
    await studio.stop();
  }
};

try {
  for (const language of ['en', 'zh-TW']) {
    await walk(language);
    console.log(`ok: the whole way in ${language}`);
  }
} finally {
  await browser.close();
  rmSync(home, { recursive: true, force: true });
}
