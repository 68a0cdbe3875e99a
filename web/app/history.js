// history.js - every training, and two of them compared on the photos that both were asked about.
import { html, Component, S, t, get, safe, percent, when, update, Thumb } from './core.js';
import { NoRun, runName } from './runs.js';

export class History extends Component {
  state = { a: null, b: null, compared: null };
  choose = safe(async (a, b) => {
    this.setState({ a, b, compared: null });
    if (a !== null && b !== null && a !== b) this.setState({ compared: await get(`/compare?a=${a}&b=${b}`) });
  });
  componentDidMount() {
    if (S.runs.length > 1) this.choose(S.runs.at(-2).run, S.runs.at(-1).run);
  }
  render(_, { a, b, compared: c }) {
    if (!S.runs.length) return html`<${NoRun} title=${t('nav.history')} />`;
    const choice = (name, value, set) => html`<label class="field">${name} <select value=${value} onChange=${(e) => set(Number(e.target.value))}>${S.runs.map((r) => html`<option value=${r.run}>${runName(r)}</option>`)}</select></label>`;
    const signed = (v) => `${v > 0 ? '+' : ''}${percent(v)}`;
    return html`<div class="page">
      <div class="head"><h1>${t('nav.history')}</h1><p class="quiet">${t('history.lead')}</p></div>
      <div class="card"><div class="scroll" tabindex="0" role="group" aria-label=${t('nav.history')}><table><thead><tr><th scope="col">${t('history.run')}</th><th scope="col">${t('history.when')}</th><th scope="col">${t('result.photos')}</th><th scope="col">${t('train.right')}</th><th scope="col">${t('history.look')}</th></tr></thead>
        <tbody>${[...S.runs].reverse().map((r) => html`<tr><th scope="row">${r.run} · ${t(`train.${r.mode}`)}</th><td>${when(r.when)}</td><td>${t('number', { n: r.train + r.val })}</td><td>${percent(r.right.value)} ${r.right.value !== null && html`<span class="quiet small">(${percent(r.right.low)}–${percent(r.right.high)})</span>`}</td>
          <td><button aria-label=${t('history.open', { n: r.run })} onClick=${() => { update({ run: r.run }); location.hash = '#/result'; }}>${t('nav.result')}</button></td></tr>`)}</tbody></table></div></div>
      ${S.runs.length > 1 && html`<div class="card"><h2>${t('history.compare')}</h2><div class="row">${choice(t('history.a'), a, (n) => this.choose(n, b))}${choice(t('history.b'), b, (n) => this.choose(a, n))}</div>
        ${a === b && html`<p class="quiet">${t('history.same')}</p>`}
        ${c && html`<div role="status"><p>${t('history.counts', { better: c.better, worse: c.worse, n: c.photos })}</p>
          ${c.photos > 0 && html`<p>${t('history.difference', { d: signed(c.difference.value), low: signed(c.difference.low), high: signed(c.difference.high) })} ${t(c.difference.low > 0 || c.difference.high < 0 ? 'history.clear' : 'history.unclear')}</p>`}
          ${c.better_ids.length > 0 && html`<p class="small quiet">${t('history.better')}</p><div class="row">${c.better_ids.slice(0, 12).map((id) => html`<${Thumb} id=${id} />`)}</div>`}
          ${c.worse_ids.length > 0 && html`<p class="small quiet">${t('history.worse')}</p><div class="row">${c.worse_ids.slice(0, 12).map((id) => html`<${Thumb} id=${id} />`)}</div>`}</div>`}</div>`}
    </div>`;
  }
}
