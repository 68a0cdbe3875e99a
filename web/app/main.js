// main.js - the frame around every screen: steps, undo, language, status line.
import {
  html, render, Fragment, S, update, onDraw, wordsLoad, preferred, language, LANGUAGES, t, post, loadState, loadRuns, listen, undo, redo, faultText, safe, remove, seconds, busy, fail,
} from './core.js';
import { Start } from './start.js';
import { Data } from './data.js';
import { Train } from './train.js';
import { Result } from './result.js';
import { Try } from './try.js';
import { See } from './see.js';
import { Map } from './map.js';
import { Export } from './export.js';
import { History } from './history.js';

const screens = { start: Start, data: Data, train: Train, result: Result, see: See, map: Map, try: Try, export: Export, history: History };
const ENDED = 'ended';

const chooseLanguage = safe(async (e) => {
  localStorage.setItem('language', e.target.value);
  await wordsLoad(e.target.value);
  route();
});

const Head = () => html`<header>
  <div class="brand"><img src="/icon.svg" alt="" /><span>whisker studio</span></div>
  <nav aria-label=${t('nav.steps')}><ul>
    ${Object.keys(screens).map((s) => html`<li><a href=${`#/${s}`} aria-current=${s === S.screen ? 'page' : undefined}>${t(`nav.${s}`)}</a></li>`)}
  </ul></nav>
  <div class="tools">
    <button onClick=${undo} disabled=${!S.project?.undo}>${t('edit.undo')}</button>
    <button onClick=${redo} disabled=${!S.project?.redo}>${t('edit.redo')}</button>
    <select aria-label=${t('nav.language')} onChange=${chooseLanguage} value=${language()}>
      ${Object.entries(LANGUAGES).map(([k, name]) => html`<option value=${k} lang=${k}>${name}</option>`)}
    </select>
  </div>
</header>`;

const Status = () => {
  const j = busy();
  return html`<footer>
    ${j
      ? html`<span>${t(`job.${j.kind}`)}</span>
          <progress aria-label=${t(`job.${j.kind}`)} max="1" value=${j.total ? j.done / j.total : undefined}></progress>
          ${j.left_s > 0 && html`<span>${t('status.left', { time: seconds(j.left_s) })}</span>`}
          <button disabled=${j.cancelled} onClick=${safe(() => remove(`/jobs/${j.id}`))}>${t(j.kind === 'train' ? 'train.stop' : 'status.stop')}</button>`
      : html`<span>${t('start.private')}</span>`}
    <span class="end">${S.project && t('status.photos', { n: S.project.photos })}</span>
    <span class="said" role="status" aria-live="polite">${S.said}</span>
  </footer>`;
};

const Page = () => {
  if (S.ready === ENDED) return html`<main><div class="page"><div class="card empty"><h1>${t('closed.title')}</h1><p class="quiet">${t('closed.text')}</p></div></div></main>`;
  const Screen = screens[S.screen];
  return html`<${Fragment}>
    <a class="skip" href="#content" onClick=${(e) => { e.preventDefault(); document.getElementById('content').focus(); }}>${t('nav.skip')}</a>
    <${Head} />
    <main id="content" tabindex="-1">
      ${S.fault && html`<div class="page"><div class="note bad row spread" role="alert"><span>${faultText(S.fault)}</span><button onClick=${() => update({ fault: null })}>${t('edit.close')}</button></div><p></p></div>`}
      ${S.project && html`<${Screen} key=${S.screen} />`}
    </main>
    <${Status} />
  </${Fragment}>`;
};

const show = () => render(html`<${Page} />`, document.body);

const route = () => {
  const name = location.hash.slice(2);
  const screen = name in screens ? name : S.project?.photos ? 'data' : 'start';
  document.title = `${t(`nav.${screen}`)} · whisker studio`;
  update({ screen, fault: null });
};

const typing = (e) => e.isComposing || /^(input|select|textarea)$/i.test(e.target.tagName);
addEventListener('keydown', (e) => {
  if (!(e.ctrlKey || e.metaKey) || typing(e)) return;
  const key = e.key.toLowerCase();
  if (key === 'z' || key === 'y') {
    e.preventDefault();
    (key === 'y' || e.shiftKey ? redo : undo)();
  }
});
addEventListener('hashchange', () => {
  route();
  document.getElementById('content')?.focus();
});
for (const name of ['dragover', 'drop']) addEventListener(name, (e) => e.preventDefault());

const begin = async () => {
  await wordsLoad(preferred());
  const token = new URLSearchParams(location.hash.slice(1)).get('token');
  try {
    if (token) {
      await post('/login', { token });
      history.replaceState(null, '', '/');
    }
    const { event } = await loadState();
    await loadRuns();
    listen(event);
    onDraw(show);
    route();
  } catch (e) {
    S.ready = e?.key === 'login' || e?.key === 'token' || e?.key === 'offline' ? ENDED : true;
    onDraw(show);
    fail(e);
  }
};
begin();
