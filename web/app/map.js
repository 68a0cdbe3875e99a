// map.js - photos that the model finds alike lie side by side; the list beside it holds the same in words.
import { html, Component, S, t, job, safe, busy, className, thumbStyle, Thumb, get, update } from './core.js';
import { NoRun, RunChoice } from './runs.js';

const MOST = 1500;
const SIDE = 900;

export class Map extends Component {
  state = { at: 0 };
  make = safe(async () => {
    const { result } = await job('map', { run: S.run });
    const photos = await get('/photos');
    const named = Object.fromEntries(photos.id.map((id, i) => [id, photos.class[i]]));
    update({ map: { ...result, named, run: S.run } });
    this.setState({ at: 0 });
  });
  // Arrows go to the closest photo that way.
  key = (e) => {
    const way = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[e.key];
    if (!way) return;
    e.preventDefault();
    const { map } = S;
    const { at } = this.state;
    let best = null;
    let least = Infinity;
    for (let i = 0; i < Math.min(MOST, map.id.length); i++) {
      const dx = map.x[i] - map.x[at], dy = map.y[i] - map.y[at];
      const along = dx * way[0] + dy * way[1];
      const aside = Math.abs(dx * way[1]) + Math.abs(dy * way[0]);
      if (along > 1e-6 && along + 2 * aside < least) [best, least] = [i, along + 2 * aside];
    }
    if (best !== null) this.setState({ at: best }, () => document.querySelector(`.map [data-at="${best}"]`)?.focus());
  };
  render(_, { at }) {
    const { map } = S;
    const named = map?.named;
    if (S.run === null) return html`<${NoRun} title=${t('map.title')} />`;
    const shown = map?.run === S.run ? Math.min(MOST, map.id.length) : 0;
    const id = shown ? map.id[at] : null;
    return html`<div class="page">
      <div class="row spread"><div class="head"><h1>${t('map.title')}</h1><p class="quiet">${t('map.lead')}</p></div><${RunChoice} /></div>
      ${!shown ? html`<div class="card empty"><p class="quiet">${t('map.text')}</p><button class="main" disabled=${!!busy()} onClick=${this.make}>${t('map.go')}</button></div>` : html`
      <div class="map" role="group" aria-label=${t('map.title')} onKeyDown=${this.key}><div style=${{ width: `${SIDE}px`, height: `${SIDE}px`, position: 'relative' }}>
        ${map.id.slice(0, shown).map((p, i) => html`<button key=${p} class="pick" data-at=${i} aria-pressed=${i === at} tabindex=${i === at ? 0 : -1} aria-label=${`${t('photo.name', { n: p })}, ${className(named[p])}`}
          style=${{ position: 'absolute', left: `${8 + map.x[i] * (SIDE - 64)}px`, top: `${8 + map.y[i] * (SIDE - 64)}px`, zIndex: i === at ? 2 : 0 }} onClick=${() => this.setState({ at: i })}>
          <div class="thumb" style=${{ ...thumbStyle(p), width: '96px', height: '96px', zoom: 0.5 }}></div></button>`)}</div></div>
      <div class="card"><h2>${t('photo.name', { n: id })} · ${className(named[id])}</h2><div class="row"><${Thumb} id=${id} /></div>
        <p class="small quiet">${t('map.near')}</p><div class="row">${map.near[at].map((n) => html`<button class="pick" aria-label=${`${t('photo.name', { n })}, ${className(named[n])}`} onClick=${() => { const i = map.id.indexOf(n); if (i >= 0 && i < shown) this.setState({ at: i }); }}><${Thumb} id=${n} bare /></button>`)}</div></div>`}
    </div>`;
  }
}
