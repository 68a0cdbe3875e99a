// start.js - where photos come in.
import { html, Component, S, t, safe, classes } from './core.js';
import { upload, dropped, chosen } from './upload.js';

export class Start extends Component {
  take = safe(async (photos) => {
    if (!photos.length) return this.setState({ sum: { added: 0, copies: 0, refused: 0 } });
    this.setState({ done: 0, total: photos.length, sum: null });
    try {
      this.setState({ sum: await upload(photos, (done, total) => this.setState({ done, total })) });
    } finally {
      this.setState({ total: 0 });
    }
  });
  render(_, { over, done, total, sum }) {
    const p = S.project;
    const box = (id, folder) => html`<input id=${id} class="said" tabindex="-1" aria-hidden="true" type="file" multiple accept=${folder ? undefined : 'image/*'} webkitdirectory=${folder} onChange=${(e) => { this.take(chosen(e.target.files)); e.target.value = ''; }} />`;
    return html`<div class="page">
      <div class="head"><h1>${t('start.title')}</h1><p class="quiet">${t('start.lead')}</p></div>
      <div class=${over ? 'drop over' : 'drop'} onDragOver=${() => over || this.setState({ over: true })} onDragLeave=${() => this.setState({ over: false })}
          onDrop=${safe(async (e) => { this.setState({ over: false }); this.take(await dropped(e.dataTransfer)); })}>
        <h2>${t('start.drop')}</h2>
        <p class="quiet">${t('start.folders')}</p>
        <div class="row">
          <button class="main" disabled=${total} onClick=${() => document.getElementById('files').click()}>${t('start.files')}</button>
          <button disabled=${total} onClick=${() => document.getElementById('folder').click()}>${t('start.open')}</button>
        </div>
        ${box('files', false)}${box('folder', true)}
        ${total > 0 && html`<progress max=${total} value=${done} aria-label=${t('start.adding')}></progress><p>${t('start.progress', { done, n: total })}</p>`}
        ${sum && html`<p role="status">${t('start.added', { n: sum.added })} ${sum.copies > 0 && t('start.copies', { n: sum.copies })} ${sum.refused > 0 && t('start.refused', { n: sum.refused })}</p>`}
        <p class="small quiet">${t('start.private')}</p>
      </div>
      ${p.root_missing && html`<p class="note bad">${t('start.missing')}</p>`}
      ${p.photos > 0 && html`<div class="card"><div class="row spread"><div class="head"><h2>${p.name}</h2><p class="quiet">${t('status.photos', { n: p.photos })} · ${t('start.classes', { n: classes().length })}</p></div>
        <a class="button main" href="#/data">${t('start.go')}</a></div></div>`}
      <div class="card"><h2>${t('start.how')}</h2><ol class="steps">
        ${['one', 'two', 'three', 'four'].map((k) => html`<li><h3>${t(`how.${k}`)}</h3><p class="quiet small">${t(`how.${k}.text`)}</p></li>`)}
      </ol></div>
    </div>`;
  }
}
