// train.js - one choice, one button, a curve that grows.
import { html, Component, S, t, job, safe, remove, classes, busy, seconds, percent } from './core.js';
import { Chart } from './chart.js';

export class Train extends Component {
  state = { mode: 'quick', epochs: '' };
  start = safe(async () => {
    const { mode, epochs } = this.state;
    const options = { mode };
    if (mode === 'better' && Number(epochs) > 0) options.epochs = Number(epochs);
    await job('train', options);
    if (S.screen === 'train') location.hash = '#/result';
  });
  curve(id, running) {
    const epochs = S.epochs[id] ?? [];
    if (!epochs.length) return null;
    const of = (key) => epochs.filter((e) => typeof e[key] === 'number').map((e) => [e.epoch, e[key]]);
    const best = epochs.filter((e) => e.best).at(-1);
    return html`<div class="card"><h2>${t('train.curve')}</h2>
      ${best && html`<p>${t('train.best', { epoch: best.epoch, p: percent(best.val_top1) })}</p>`}
      <div class="columns"><${Chart} label=${t('train.right')} across=${t('train.epoch')} top=${1} series=${[{ name: t('train.right'), points: of('val_top1') }]} />
      <${Chart} label=${t('train.loss')} across=${t('train.epoch')} series=${[{ name: t('train.loss.train'), points: of('train_loss') }, { name: t('train.loss.val'), points: of('val_loss') }]} /></div></div>`;
  }
  render(_, { mode, epochs }) {
    const usable = classes().filter((c) => c.photos > 0);
    const running = S.jobs.find((j) => j.kind === 'train' && (j.state === 'running' || j.state === 'waiting'));
    const last = running ?? S.jobs.filter((j) => j.kind === 'train').at(-1);
    const few = usable.filter((c) => c.photos < 10);
    if (usable.length < 2) return html`<div class="page"><div class="card empty"><h1>${t('train.notyet')}</h1><p class="quiet">${t('data.twoclasses')}</p><a class="button main" href="#/data">${t('start.go')}</a></div></div>`;
    return html`<div class="page">
      <div class="head"><h1>${t('train.title')}</h1><p class="quiet">${t('train.lead', { n: S.project.photos - S.project.unlabelled, classes: usable.length })}</p></div>
      ${few.length > 0 && html`<p class="note">${t('train.few', { names: few.map((c) => c.name).join(', ') })} ${t('data.few')}</p>`}
      <div class="card">
        <fieldset disabled=${!!running}><legend>${t('train.how')}</legend>
          ${['quick', 'better'].map((m) => html`<label class="choice"><input type="radio" name="mode" value=${m} checked=${mode === m} onChange=${() => this.setState({ mode: m })} /><span><strong>${t(`train.${m}`)}</strong><br /><span class="quiet small">${t(`train.${m}.text`)}</span></span></label>`)}
        </fieldset>
        ${mode === 'better' && html`<details><summary>${t('train.more')}</summary><label class="field">${t('train.epochs')} <input type="number" min="1" max="200" value=${epochs} placeholder=${t('train.auto')} onInput=${(e) => this.setState({ epochs: e.target.value })} /></label></details>`}
        <div class="row">
          ${running
            ? html`<button class="main" disabled=${running.cancelled} onClick=${safe(() => remove(`/jobs/${running.id}`))}>${t('train.stop')}</button>
                <span>${running.state === 'waiting' ? t('train.waiting') : running.left_s > 0 ? t('status.left', { time: seconds(running.left_s) }) : t('train.working')}</span>`
            : html`<button class="main" disabled=${!!busy()} onClick=${this.start}>${t('train.go')}</button>`}
        </div>
        ${running && html`<progress aria-label=${t('job.train')} max="1" value=${running.total ? running.done / running.total : undefined}></progress>`}
      </div>
      ${last && this.curve(last.id)}
    </div>`;
  }
}
