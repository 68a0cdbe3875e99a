// screenshots.mjs - the pictures of docs/studio: node tests/web/screenshots.mjs FOLDER. WHISKER names the command; weights are fetched or in WHISKER_HOME;
// PYTHON names a Python with Pillow, which brings the pictures to 200 colours, so that none has more than 200 KB.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { execFileSync } from 'node:child_process';
import { startStudio, startBrowser, openPage, drop, press, go } from './studio.mjs';
import { drawFruit } from './pictures.mjs';

const out = process.argv[2] ?? 'docs/studio';
mkdirSync(out, { recursive: true });
const until = (page, f) => page.waitForFunction(f, { timeout: 180000 });
const settled = () => new Promise((ok) => setTimeout(ok, 1200));
const browser = await startBrowser();
const studio = await startStudio();
const page = await openPage(browser, studio.address, { height: 820 });
const shoot = async (name) => {
  await settled();
  const file = join(out, `${name}.png`);
  await page.screenshot({ path: file });
  execFileSync(process.env.PYTHON ?? 'python3', ['-c', 'import sys; from PIL import Image; Image.open(sys.argv[1]).convert("RGB").quantize(200).save(sys.argv[1], optimize=True)', file]);
};
const at = async (screen) => {
  await go(page, screen);
  await page.evaluate(() => document.getElementById('content').scrollTo(0, 0));
};

await shoot('start');
const photos = { apple: await drawFruit(page, 'apple', 60), lemon: await drawFruit(page, 'lemon', 60), plum: await drawFruit(page, 'plum', 60) };
[photos.apple[0], photos.lemon[0]] = [photos.lemon[0], photos.apple[0]];
await drop(page, photos);
await until(page, () => document.querySelector('.drop [role=status]'));
await at('data');
await page.waitForSelector('[role=gridcell]');
for (const id of [3, 4, 5]) await page.click(`[data-id="${id}"]`);
await shoot('photos');

await at('train');
await press(page, 'Train');
await until(page, () => location.hash === '#/result' && document.querySelector('.big'));
await at('train');
await page.click('input[value=better]');
await page.click('details summary');
await page.type('input[type=number]', '2');
await press(page, 'Train');
await until(page, () => /L.*L/.test(document.querySelector('.chart path')?.getAttribute('d')) || location.hash === '#/result');
await shoot('train');
await until(page, () => location.hash === '#/result' && document.querySelector('.big'));
await page.select('main select', '1');
await until(page, () => document.querySelector('table.matrix'));
await shoot('result');

await at('see');
await until(page, () => document.querySelectorAll('.pictures img').length === 2);
await shoot('why');
await page.click('#tab-attack');
await press(page, 'Attack this photo');
await until(page, () => document.querySelectorAll('.pictures img').length === 3);
await page.evaluate(() => document.querySelector('.pictures').scrollIntoView({ block: 'end' }));
await shoot('attack');
await page.click('#tab-ideal');
await press(page, 'Draw it');
await until(page, () => document.querySelectorAll('.pictures img').length === 2);
await shoot('ideal');
await at('map');
await press(page, 'Draw the map');
await until(page, () => document.querySelector('.map'));
await shoot('map');
await at('try');
const [one] = await drawFruit(page, 'lemon', 1, 240);
await drop(page, { lemon: [one] });
await until(page, () => document.querySelector('main li figure img'));
await shoot('try');
await at('export');
await press(page, 'Export');
await until(page, () => document.querySelector('[role=status] h2'));
await shoot('export');
await at('history');
await shoot('history');

await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: 'dark' }]);
await page.select('header select', 'zh-TW');
await at('result');
await shoot('result-zh-TW-dark');
await browser.close();
await studio.stop();
