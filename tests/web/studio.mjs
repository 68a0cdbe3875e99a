// studio.mjs - a studio for a test, and a browser that is logged in to it.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import puppeteer from 'puppeteer-core';

export const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';

export const startStudio = async (...flags) => {
  const own = mkdtempSync(join(tmpdir(), 'whisker-page-'));
  const child = spawn(process.env.WHISKER, ['studio', '--no-open', ...flags], { cwd: own });
  let text = '';
  const address = await new Promise((ok, no) => {
    const read = (d) => {
      text += d;
      const found = text.match(/http:\/\/\S+#token=\w+/);
      if (found) ok(found[0]);
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.on('exit', () => no(new Error(`the studio ended: ${text}`)));
  });
  return {
    address,
    stop: async () => {
      const ended = new Promise((ok) => child.once('exit', ok));
      child.kill('SIGINT');
      await ended;
      rmSync(own, { recursive: true, force: true });
    },
  };
};

export const startBrowser = () =>
  puppeteer.launch({
    executablePath: CHROMIUM,
    headless: true,
    args: ['--no-sandbox', '--disable-dev-shm-usage', '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream', '--disable-gpu'],
  });

// The page's files from a folder instead of the command, which need not be built anew to try a change: WEB=web.
const fromSources = async (page, folder) => {
  const types = { js: 'text/javascript', css: 'text/css', html: 'text/html; charset=utf-8', json: 'application/json', svg: 'image/svg+xml' };
  await page.setRequestInterception(true);
  page.on('request', (r) => {
    const path = new URL(r.url()).pathname;
    if (r.url().startsWith('blob:') || path.startsWith('/api/')) return r.continue();
    const file = join(folder, path === '/' ? 'index.html' : path);
    return r.respond({ contentType: types[file.split('.').at(-1)], body: readFileSync(file) });
  });
};

// What the page complains of is a fault of the test.
export const openPage = async (browser, address, { language = 'en', scheme = 'light', width = 1280, height = 860 } = {}) => {
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  page.complaints = [];
  page.on('pageerror', (e) => page.complaints.push(String(e)));
  page.on('console', (m) => m.type() === 'error' && page.complaints.push(m.text()));
  await page.setViewport({ width, height });
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
  await page.evaluateOnNewDocument((l) => { try { if (!localStorage.getItem('language')) localStorage.setItem('language', l); } catch { /* about:blank has none */ } }, language);
  if (process.env.WEB) await fromSources(page, process.env.WEB);
  await page.goto(address);
  await page.waitForSelector('main .page');
  return page;
};

// Drops photos, in folders of their classes, on the drop area of the screen that is open.
export const drop = (page, photos) =>
  page.evaluate((photos) => {
    const bytes = (b) => Uint8Array.from(atob(b), (c) => c.charCodeAt(0));
    const file = (name, b) => new File([bytes(b)], name, { type: 'image/jpeg' });
    const entry = (name, f) => ({ isFile: true, name, file: (ok) => ok(f) });
    const folder = (name, list) => {
      let given = false;
      return { isFile: false, name, createReader: () => ({ readEntries: (ok) => ok(given ? [] : ((given = true), list)) }) };
    };
    const items = Object.entries(photos).map(([name, list]) => ({ webkitGetAsEntry: () => folder(name, list.map((b, i) => entry(`${i}.jpg`, file(`${i}.jpg`, b)))) }));
    const e = new Event('drop', { bubbles: true, cancelable: true });
    e.dataTransfer = { items };
    document.querySelector('.drop').dispatchEvent(e);
  }, photos);

// By mouse, or by keys alone.
export const press = async (page, text, keys = false) => {
  const button = await page.waitForFunction(
    (text) => [...document.querySelectorAll('main button:not(:disabled), main a.button, header button:not(:disabled)')].find((b) => b.textContent.trim() === text),
    { timeout: 20000 },
    text,
  );
  if (!keys) return button.click();
  await button.focus();
  await page.keyboard.press('Enter');
};
export const go = async (page, screen) => {
  await page.evaluate((s) => (location.hash = `#/${s}`), screen);
  await page.waitForFunction((s) => document.querySelector('[aria-current=page]')?.hash === `#/${s}`, {}, screen);
};
