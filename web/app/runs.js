// runs.js - what the screens about a trained model share: which one, and what to say where there is none.
import { html, S, t, update, when } from './core.js';

export const NoRun = ({ title }) => html`<div class="page"><div class="card empty"><h1>${title}</h1><p class="quiet">${t('run.none')}</p><a class="button main" href="#/train">${t('nav.train')}</a></div></div>`;

export const runName = (r) => t('run.name', { n: r.run, when: when(r.when), mode: t(`train.${r.mode}`) });

export const RunChoice = () => S.runs.length > 1 && html`<label class="field">${t('run.which')} <select value=${S.run} onChange=${(e) => update({ run: Number(e.target.value) })}>
  ${[...S.runs].reverse().map((r) => html`<option value=${r.run}>${runName(r)}</option>`)}</select></label>`;
