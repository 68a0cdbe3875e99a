// export.js - the model as a file for other programs.
import { html, Component, S, t, job, safe, busy, url } from './core.js';
import { NoRun, RunChoice } from './runs.js';

const FORMATS = ['onnx', 'tflite', 'keras'];

export class Export extends Component {
  state = { format: 'onnx', done: null };
  go = safe(async () => this.setState({ done: await job('export', { run: S.run, format: this.state.format }) }));
  render(_, { format, done }) {
    if (S.run === null) return html`<${NoRun} title=${t('nav.export')} />`;
    const r = done?.result;
    return html`<div class="page">
      <div class="row spread"><div class="head"><h1>${t('nav.export')}</h1><p class="quiet">${t('export.lead')}</p></div><${RunChoice} /></div>
      <div class="card"><fieldset><legend>${t('export.which')}</legend>${FORMATS.map((f) => html`<label class="choice"><input type="radio" name="format" value=${f} checked=${f === format} onChange=${() => this.setState({ format: f })} /><span><strong>${t(`export.${f}`)}</strong><br /><span class="quiet small">${t(`export.${f}.text`)}</span></span></label>`)}</fieldset>
        <div><button class="main" disabled=${!!busy()} onClick=${this.go}>${t('export.go')}</button></div></div>
      ${r && html`<div class="card" role="status"><h2>${t('export.done')}</h2>${r.folder ? html`<p>${t('export.folder', { path: r.path })}</p>` : html`<div class="row">${r.files.map((f) => html`<a class="button main" download href=${url(`/jobs/${done.id}/files/${f}`)}>${t('export.save', { name: f })}</a>`)}</div><p class="quiet small">${t('export.path', { path: r.path })}</p>`}</div>`}
    </div>`;
  }
}
