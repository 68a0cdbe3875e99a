// result.js - how often it is right, where it errs, and how sure it has to be.
import { html, Component, S, t, get, edit, safe, classes, className, percent, Thumb, update } from './core.js';
import { NoRun, RunChoice } from './runs.js';
import { Chart } from './chart.js';

const PROMISES = [0.5, 1, 2, 5, 10, 20];
const SHOWN = 24;

const Share = ({ of }) => html`${percent(of.value)}${of.low !== null && of.low !== undefined && html` <span class="range quiet small">(${percent(of.low)}–${percent(of.high)})</span>`}`;

export class Result extends Component {
  state = { run: null, rows: null, cell: null, wrong: 2, promise: null };
  componentDidMount() {
    this.load();
  }
  componentDidUpdate() {
    if (this.of !== S.run) this.load();
  }
  load = safe(async () => {
    this.of = S.run;
    if (S.run === null) return;
    const run = await get(`/runs/${S.run}`);
    this.setState({ run, cell: null });
    await Promise.all([this.list(null), this.hold(this.state.wrong)]);
  });
  list = safe(async (cell) => {
    const rows = await get(`/runs/${S.run}/rows?${cell ? `truth=${cell[0]}&predicted=${cell[1]}` : 'filter=wrong'}&count=${SHOWN}`);
    this.setState({ rows, cell });
  });
  hold = safe(async (wrong) => {
    this.setState({ wrong });
    const promise = await get(`/runs/${S.run}/promise?wrong=${wrong}`);
    if (this.state.wrong !== wrong) return;
    let unsure = null;
    if (promise.held) {
      const all = await get(`/runs/${S.run}/rows?count=100000`);
      unsure = all.id.filter((_, i) => all.p[i] < promise.threshold);
      S.threshold[S.run] = promise.threshold;
    } else delete S.threshold[S.run];
    this.setState({ promise, unsure });
  });
  move = safe(async (i, n) => {
    const { rows } = this.state;
    await edit([n === null ? { id: rows.id[i], removed: true } : { id: rows.id[i], class: n }]);
    this.setState({ rows: Object.fromEntries(Object.entries(rows).map(([k, v]) => [k, Array.isArray(v) ? v.filter((_, j) => j !== i) : v])) });
    update({ said: n === null ? t('data.removed', { n: 1 }) : t('data.labelled', { n: 1, name: className(n) }) });
  });

  matrix(run) {
    const names = run.classes;
    const count = (a, b) => run.confusion.find((c) => c[0] === a && c[1] === b)?.[2] ?? 0;
    const on = (a, b) => this.state.cell && this.state.cell[0] === a && this.state.cell[1] === b;
    return html`<div class="scroll" tabindex="0" role="group" aria-label=${t('result.confusion')}><table class="matrix">
      <thead><tr><th scope="col">${t('result.truth')}</th>${names.map((c) => html`<th scope="col">${c.name}</th>`)}</tr></thead>
      <tbody>${names.map((a) => html`<tr><th scope="row">${a.name}</th>${names.map((b) => {
        const n = count(a.class, b.class);
        return html`<td>${n ? html`<button class=${`cell ${a === b ? 'hit' : 'miss'}`} aria-pressed=${!!on(a.class, b.class)} aria-label=${t('result.cell', { n, truth: a.name, predicted: b.name })} onClick=${() => this.list(on(a.class, b.class) ? null : [a.class, b.class])}>${t('number', { n })}</button>` : html`<span class="quiet">0</span>`}</td>`;
      })}</tr>`)}</tbody></table></div>`;
  }
  mistakes(rows, cell) {
    return html`<div class="card"><div class="row spread"><h2>${cell ? t('result.these', { truth: className(cell[0]), predicted: className(cell[1]) }) : t('result.worst')}</h2>
        ${cell && html`<button onClick=${() => this.list(null)}>${t('result.worst')}</button>`}</div>
      ${rows.id.length === 0 ? html`<p class="quiet">${t('result.nomistake')}</p>` : html`<p class="quiet small">${t('result.shown', { n: rows.id.length, total: rows.total })}</p>
      <ul class="cards">${rows.id.map((id, i) => html`<li key=${id}><${Thumb} id=${id} /><div class="body">
        ${rows.class[i] !== rows.predicted[i] && html`<strong>${t('data.wrong')}</strong>`}
        <span class="small">${t('result.said', { label: className(rows.class[i]), predicted: className(rows.predicted[i]), p: percent(rows.p[i]) })}</span>
        <div class="row">${rows.class[i] !== rows.predicted[i] && rows.predicted[i] >= 0 && html`<button onClick=${() => this.move(i, rows.predicted[i])}>${t('result.move', { name: className(rows.predicted[i]) })}</button>`}
          <button onClick=${() => this.move(i, null)}>${t('edit.remove')}</button></div></div></li>`)}</ul>`}</div>`;
  }
  promise(wrong, p, unsure) {
    return html`<div class="card"><h2>${t('promise.title')}</h2><p class="quiet">${t('promise.lead')}</p>
      <label class="field" for="promise">${t('result.limit', { n: wrong })}</label>
      <input id="promise" type="range" min="0" max=${PROMISES.length - 1} step="1" value=${PROMISES.indexOf(wrong)} aria-valuetext=${t('result.limit', { n: wrong })} onInput=${(e) => this.hold(PROMISES[e.target.value])} />
      ${p && (p.held
        ? html`<p>${t('promise.held', { answered: percent(p.answered.value), wrong: percent(p.wrong_among_answers.value), n: p.judged_on })} <span class="quiet">${t('promise.sure', { p: percent(p.threshold) })}</span></p>
            <div><span class="badge">${t('result.unsure')}</span></div>
            <p>${t('promise.pile', { n: unsure?.length ?? 0 })}</p>
            ${unsure?.length > 0 && html`<div class="row">${unsure.slice(0, SHOWN).map((id) => html`<${Thumb} key=${id} id=${id} />`)}</div>`}`
        : html`<p class="note">${t('promise.notheld', { n: p.needed, on: p.chosen_on })}</p>`)}</div>`;
  }
  render(_, { run, rows, cell, wrong, promise, unsure }) {
    if (S.run === null) return html`<${NoRun} title=${t('nav.result')} />`;
    if (!run) return null;
    const r = run.right;
    return html`<div class="page">
      <div class="row spread"><h1>${t('nav.result')}</h1><${RunChoice} /></div>
      <div class="card"><p class="big">${percent(run.judged > 0 ? r.value : run.history?.tuned_top1)}</p>
        ${run.judged > 0
          ? html`<p>${t('result.right', { p: percent(r.value), low: percent(r.low), high: percent(r.high), n: run.judged })}</p><p class="quiet small">${t('result.interval')} ${t('result.learned', { n: run.train })} ${run.stopped && t('result.stopped')}</p>`
          : html`<p>${t('result.chosen', { p: percent(run.history?.tuned_top1), n: run.val })}</p><p class="note">${t('result.unjudged')}</p>`}
        ${run.test && html`<p>${t('result.test', { p: percent(run.test.right.value), low: percent(run.test.right.low), high: percent(run.test.right.high), n: run.test.judged })}</p>`}
        <div class="row"><a class="button main" href="#/try">${t('try.go')}</a><a class="button" href="#/see">${t('nav.see')}</a></div></div>
      ${run.judged > 0 && html`<div class="columns">
        <div class="card"><h2>${t('result.confusion')}</h2><p class="quiet small">${t('result.confusion.text')}</p>${this.matrix(run)}</div>
        <div class="card"><h2>${t('result.perclass')}</h2><div class="scroll" tabindex="0" role="group" aria-label=${t('result.perclass')}><table><thead><tr><th scope="col">${t('result.class')}</th><th scope="col">${t('result.photos')}</th><th scope="col">${t('result.found')}</th><th scope="col">${t('result.precision')}</th></tr></thead>
          <tbody>${run.per_class.map((c) => html`<tr><th scope="row">${className(c.class)}</th><td>${t('number', { n: c.photos })}</td><td><${Share} of=${c.right} /></td><td><${Share} of=${c.precision} /></td></tr>`)}</tbody></table></div>
          <p class="quiet small">${t('result.perclass.text')}</p></div>
      </div>`}
      ${run.judged > 0 && rows && this.mistakes(rows, cell)}
      ${run.judged > 0 && this.promise(wrong, promise, unsure)}
      ${Array.isArray(run.history?.epochs ?? run.history) && html`<div class="card"><h2>${t('train.curve')}</h2><${Chart} label=${t('train.right')} across=${t('train.epoch')} top=${1} series=${[{ name: t('train.right'), points: (run.history.epochs ?? run.history).filter((e) => typeof e.val_top1 === 'number').map((e) => [e.epoch, e.val_top1]) }]} /></div>`}
    </div>`;
  }
}
