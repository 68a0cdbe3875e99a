// core.js - what every screen stands on: the view library, words, requests, and the one state with its events.
import { h, render, Component, createRef, Fragment } from '../vendor/preact.js';
import htm from '../vendor/htm.js';

export const html = htm.bind(h);
export { render, Component, createRef, Fragment };

// ---- words ---------------------------------------------------------------------------------------------------------

export const LANGUAGES = { en: 'English', 'zh-TW': '繁體中文' };
let words = {};
let locale = 'en';

export const wordsLoad = async (wanted) => {
  locale = wanted in LANGUAGES ? wanted : 'en';
  words = await (await fetch(`/i18n/${locale}.json`)).json();
  document.documentElement.lang = locale;
};
export const language = () => locale;
export const preferred = () => localStorage.getItem('language') || (navigator.languages.some((l) => /^zh/i.test(l)) ? 'zh-TW' : 'en');

export const number = (n, digits = 0) => new Intl.NumberFormat(locale, { maximumFractionDigits: digits, minimumFractionDigits: digits }).format(n);
export const percent = (p) => (p === null || p === undefined ? '–' : new Intl.NumberFormat(locale, { style: 'percent', minimumFractionDigits: 1, maximumFractionDigits: 1 }).format(p));
export const when = (iso) => new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'short' }).format(new Date(iso));
export const seconds = (s) => (s < 90 ? t('unit.seconds', { n: Math.max(1, Math.round(s)) }) : t('unit.minutes', { n: Math.round(s / 60) }));

// "one|many" picks by n; {name} is filled in.
export const t = (key, values = {}) => {
  let text = words[key] ?? key;
  if (text.includes('|')) text = text.split('|')[new Intl.PluralRules('en').select(Number(values.n)) === 'one' ? 0 : 1];
  return text.replace(/\{(\w+)\}/g, (_, name) => (typeof values[name] === 'number' ? number(values[name]) : values[name] ?? ''));
};

// ---- requests ------------------------------------------------------------------------------------------------------

const API = '/api/v1';
export const url = (path) => API + path;

const ask = async (method, path, body, type) => {
  let answer;
  try {
    answer = await fetch(API + path, { method, body, headers: type ? { 'Content-Type': type } : {} });
  } catch {
    throw { key: 'offline' };
  }
  if (answer.ok) return answer;
  let fault = { key: 'internal' };
  try {
    fault = (await answer.json()).error;
  } catch {
    // Not ours: the key says as much as there is to say.
  }
  throw fault;
};
export const get = async (path) => (await ask('GET', path)).json();
export const post = async (path, what = {}) => (await ask('POST', path, JSON.stringify(what), 'application/json')).json();
export const remove = async (path) => (await ask('DELETE', path)).json();
export const send = async (method, path, file) => ask(method, path, file, file.type.startsWith('image/') ? file.type : 'image/jpeg');

export const faultText = (f) => {
  const known = words[`error.${f.key}`];
  const own = [f.text, f.fix].filter(Boolean).join('; ');
  return known ? (own && locale === 'en' ? `${known} (${own})` : known) : own || t('error.internal');
};

// ---- state ---------------------------------------------------------------------------------------------------------

export const S = { ready: false, project: null, jobs: [], runs: [], run: null, epochs: {}, ran: {}, screen: 'start', fault: null, said: '', filter: 'all', only: null, threshold: {}, map: null, seen: {}, found: null };
let draw = () => {};
export const onDraw = (f) => (draw = f);
export const update = (change) => {
  Object.assign(S, change);
  draw();
};
export const say = (text) => update({ said: text });
export const fail = (f) => update({ fault: f && f.key ? f : { key: 'internal', text: String(f?.message ?? f) } });
// For events: what goes wrong is said on the page.
export const safe = (f) => async (...args) => {
  try {
    if (S.fault) update({ fault: null });
    return await f(...args);
  } catch (e) {
    fail(e);
  }
};

export const classes = () => (S.project?.classes ?? []).filter((c) => c.name !== null);
export const className = (n) => (n === null || n === undefined ? t('data.nolabel') : n < 0 ? t('data.gone') : S.project?.classes[n]?.name ?? String(n));
export const busy = () => S.jobs.find((j) => j.state === 'running' || j.state === 'waiting');

export const loadState = async () => {
  const s = await get('/state');
  update({ project: s.project, jobs: s.jobs, ready: true });
  return s;
};
export const loadRuns = async () => {
  const { runs } = await get('/runs');
  update({ runs, run: runs.some((r) => r.run === S.run) ? S.run : runs.at(-1)?.run ?? null });
};

export const edit = async (edits) => {
  const a = await post('/edits', { edits });
  await loadState();
  return a;
};
export const undo = safe(async () => {
  await post('/undo');
  await loadState();
  say(t('edit.undone'));
});
export const redo = safe(async () => {
  await post('/redo');
  await loadState();
  say(t('edit.redone'));
});

// Starts a job and waits for its result.
const waiting = new Map();
export const job = async (kind, options = {}) => {
  const { job: id } = await post('/jobs', { kind, options });
  await loadState();
  return new Promise((resolve, reject) => {
    waiting.set(id, { resolve, reject });
    if (S.ran[id]) finish(id);
  });
};
const finish = async (id) => {
  const who = waiting.get(id);
  const end = S.ran[id];
  if (!who || !end) return;
  waiting.delete(id);
  try {
    if (end.error) throw end.error;
    who.resolve(await get(`/jobs/${id}`));
  } catch (e) {
    who.reject(e);
  }
};

export const listen = (after) => {
  const events = new EventSource(url(`/events?after=${after}`));
  const on = (name, f) => events.addEventListener(name, (e) => f(JSON.parse(e.data)));
  on('rev', ({ rev }) => rev !== S.project?.rev && loadState().catch(fail));
  on('job', (j) => update({ jobs: [...S.jobs.filter((o) => o.id !== j.id), j] }));
  on('epoch', (e) => update({ epochs: { ...S.epochs, [e.job]: [...(S.epochs[e.job] ?? []).filter((o) => o.epoch < e.epoch), e] } }));
  on('end', async (e) => {
    S.ran[e.id] = e;
    await Promise.all([loadState(), loadRuns()]).catch(fail);
    if (e.run && !e.error) update({ run: e.run });
    say(t(e.error ? 'status.failed' : 'status.done', { kind: t(`job.${e.kind}`) }));
    finish(e.id);
  });
  on('lost', () => loadState().catch(fail));
};

// ---- small pictures: sheets of 40 --------------------------------------------------------------------------------

const sheets = new Map();
const SHEETS = 160;
const sheet = (k, stamp) => {
  const key = `${k}/${stamp}`;
  let s = sheets.get(key);
  if (s) {
    sheets.delete(key);
    sheets.set(key, s);
    return s;
  }
  s = { at: null };
  sheets.set(key, s);
  fetch(url(`/thumbs/96/${k}.jpg`))
    .then((a) => (a.ok ? a.blob() : null))
    .then((b) => {
      if (!b) return;
      s.at = URL.createObjectURL(b);
      draw();
    })
    .catch(() => {});
  while (sheets.size > SHEETS) {
    const [old, o] = sheets.entries().next().value;
    if (o.at) URL.revokeObjectURL(o.at);
    sheets.delete(old);
  }
  return s;
};
export const thumbStyle = (id) => {
  const k = Math.floor((id - 1) / 40);
  const at = (id - 1) % 40;
  const last = Math.floor(((S.project?.ids ?? 1) - 1) / 40);
  const s = sheet(k, k >= last ? S.project?.ids : 0);
  return s.at ? { backgroundImage: `url(${s.at})`, backgroundPosition: `-${(at % 8) * 96}px -${Math.floor(at / 8) * 96}px` } : {};
};
// bare: what it stands in has a name already.
export const Thumb = ({ id, bare }) => html`<div class="thumb" role=${bare ? undefined : 'img'} aria-label=${bare ? undefined : t('photo.name', { n: id })} style=${thumbStyle(id)}></div>`;
