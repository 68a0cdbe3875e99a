// see.js - inside the model: where it looks, how it is fooled, and what it takes for the perfect photo.
import { html, Component, S, t, get, url, safe, job, busy, className, percent, number, Thumb, update } from './core.js';
import { NoRun, RunChoice } from './runs.js';

const TABS = ['why', 'attack', 'ideal'];
const SHOWN = 18;

export class See extends Component {
  state = { tab: 'why', rows: null, photo: null, target: null, eps: 2, steps: 40, ideal: null, why: null };
  componentDidMount() {
    this.load();
  }
  componentDidUpdate() {
    if (this.of !== S.run) this.load();
  }
  load = safe(async () => {
    this.of = S.run;
    if (S.run === null) return;
    const [run, rows] = await Promise.all([get(`/runs/${S.run}`), get(`/runs/${S.run}/rows?learned=1&count=${SHOWN}`)]);
    this.setState({ run, rows, photo: null, why: null, ideal: run.classes[0]?.class ?? null });
    if (rows.id.length) this.pick(rows.id[0]);
  });
  pick = safe(async (photo, target = null) => {
    this.setState({ photo, target, why: null });
    const a = await fetch(url(`/why?run=${S.run}&photo=${photo}${target === null ? '' : `&class=${target}`}`));
    if (!a.ok) throw (await a.json()).error;
    const why = { at: URL.createObjectURL(await a.blob()), ...JSON.parse(a.headers.get('X-Whisker') ?? '{}') };
    if (this.state.photo === photo && this.state.target === target) this.setState({ why });
  });
  // What came of it stays for this run, also when another screen is looked at meanwhile.
  work = safe(async (kind, options) => {
    const of = S.run;
    const j = await job(kind, { run: of, ...options });
    update({ seen: { ...S.seen, [of]: { ...S.seen[of], [kind]: j } } });
  });
  tab(e) {
    const step = { ArrowRight: 1, ArrowLeft: TABS.length - 1 }[e.key];
    if (!step) return;
    e.preventDefault();
    const tab = TABS[(TABS.indexOf(this.state.tab) + step) % TABS.length];
    this.setState({ tab }, () => document.getElementById(`tab-${tab}`).focus());
  }
  picker() {
    const { rows, photo } = this.state;
    return html`<div><p class="small quiet" id="pick">${t('see.pick')}</p><div class="picks" role="group" aria-labelledby="pick">
      ${rows.id.map((id, i) => html`<button class="pick" aria-pressed=${id === photo} aria-label=${`${t('photo.name', { n: id })}, ${className(rows.class[i])}`} onClick=${() => this.pick(id)}><${Thumb} id=${id} bare /></button>`)}</div></div>`;
  }
  classChoice(value, onChange, any) {
    return html`<select value=${value ?? ''} onChange=${(e) => onChange(e.target.value === '' ? null : Number(e.target.value))}>${any && html`<option value="">${any}</option>`}${this.state.run.classes.map((c) => html`<option value=${c.class}>${c.name}</option>`)}</select>`;
  }
  why() {
    const { photo, why, target } = this.state;
    return html`<p class="quiet">${t('see.why.text')}</p>${this.picker()}
      <label class="field">${t('see.for')} ${this.classChoice(target, (n) => this.pick(photo, n), t('see.itself'))}</label>
      ${photo && html`<div class="pictures"><figure><img src=${url(`/photo/${photo}?side=600`)} alt=${t('photo.name', { n: photo })} /><figcaption>${t('photo.name', { n: photo })}</figcaption></figure>
        ${why && html`<figure><img src=${why.at} alt=${t('see.why.alt', { name: className(why.class) })} /><figcaption>${t('see.why.for', { name: className(why.class), p: percent(why.p) })}<br />${t('see.why.key')}</figcaption></figure>`}</div>`}`;
  }
  attack() {
    const { photo, eps, steps, target } = this.state;
    const j = S.seen[S.run]?.attack;
    return html`<p class="quiet">${t('see.attack.text')}</p>${this.picker()}
      <div class="row"><label class="field">${t('see.eps')} <input type="range" min="0.5" max="16" step="0.5" value=${eps} aria-valuetext=${t('see.eps.value', { e: number(eps, 1) })} onInput=${(e) => this.setState({ eps: Number(e.target.value) })} /> <output>${t('see.eps.value', { e: number(eps, 1) })}</output></label></div>
      <div class="row"><label class="field">${t('see.steps')} <input type="range" min="5" max="200" step="5" value=${steps} onInput=${(e) => this.setState({ steps: Number(e.target.value) })} /> <output>${number(steps)}</output></label>
      <label class="field">${t('see.target')} ${this.classChoice(target, (n) => this.setState({ target: n }), t('see.any'))}</label></div>
      <div><button class="main" disabled=${!!busy() || !photo} onClick=${() => this.work('attack', { photo, class: target, eps, steps })}>${t('see.attack.go')}</button></div>
      ${j && html`${this.verdict(j.result.report)}<div class="pictures">${j.result.files.map((f) => this.picture(j, f))}</div>`}`;
  }
  verdict(r) {
    const a = r.after_8bit;
    return html`<p class="note">${t('see.attack.after', { was: r.before.label, now: a.label, p: percent(a.p) })}</p>`;
  }
  picture(j, f) {
    const name = t(`see.file.${f.replace(/\.png$/, '')}`);
    return html`<figure class=${f.includes('steps') ? 'wide' : ''}><img src=${url(`/jobs/${j.id}/files/${f}`)} alt=${name} /><figcaption>${name}</figcaption></figure>`;
  }
  ideal() {
    const { ideal } = this.state;
    const j = S.seen[S.run]?.ideal;
    return html`<p class="quiet">${t('see.ideal.text')}</p>
      <div class="row"><label class="field">${t('result.class')} ${this.classChoice(ideal, (n) => this.setState({ ideal: n }))}</label>
      <button class="main" disabled=${!!busy() || ideal === null} onClick=${() => this.work('ideal', { class: ideal })}>${t('see.ideal.go')}</button></div>
      ${j && html`<div class="pictures">${j.result.files.map((f) => this.picture(j, f))}</div>`}`;
  }
  render(_, { tab, run, rows }) {
    if (S.run === null) return html`<${NoRun} title=${t('see.title')} />`;
    if (!run || !rows) return null;
    return html`<div class="page">
      <div class="row spread"><div class="head"><h1>${t('see.title')}</h1><p class="quiet">${t('see.lead')}</p></div><${RunChoice} /></div>
      <div class="row" role="tablist" aria-label=${t('see.title')} onKeyDown=${(e) => this.tab(e)}>${TABS.map((k) => html`<button class="chip" id=${`tab-${k}`} role="tab" aria-selected=${k === tab} aria-controls="panel" tabindex=${k === tab ? 0 : -1} onClick=${() => this.setState({ tab: k })}>${t(`see.${k}`)}</button>`)}</div>
      <div class="card" id="panel" role="tabpanel" aria-labelledby=${`tab-${tab}`}>${this[tab]()}</div>
    </div>`;
  }
}
