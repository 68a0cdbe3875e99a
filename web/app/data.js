// data.js - photos and their classes: a grid of which only what is seen is in the page, and all of it by keyboard.
import { html, Component, createRef, S, t, get, edit, safe, url, classes, className, thumbStyle, update, job, busy } from './core.js';

const FILTERS = ['all', 'unlabelled', 'wrong', 'copies', 'broken', 'missing', 'removed'];
const STEP = 104;
const PAD = 8;

class Large extends Component {
  box = createRef();
  componentDidMount() {
    this.box.current.showModal();
  }
  render({ id, at, total, onMove, onLabel, onRemove, onClose }) {
    const key = (e) => {
      if (e.key === 'ArrowRight' || e.key === 'ArrowLeft') onMove(e.key === 'ArrowRight' ? 1 : -1);
      else if (/^[1-9]$/.test(e.key)) onLabel(Number(e.key));
      else if (e.key === 'x' || e.key === 'X') onRemove();
    };
    return html`<dialog ref=${this.box} aria-label=${t('photo.name', { n: id })} onKeyDown=${key} onClose=${onClose}><div>
      <div class="row spread"><h2>${t('photo.of', { at: at + 1, n: total })}</h2><button autofocus onClick=${() => this.box.current.close()}>${t('edit.close')}</button></div>
      <img src=${url(`/photo/${id}?side=1024`)} alt=${t('photo.name', { n: id })} />
      <div class="row">
        <button onClick=${() => onMove(-1)} disabled=${at === 0}>${t('photo.previous')}</button>
        <button onClick=${() => onMove(1)} disabled=${at + 1 >= total}>${t('photo.next')}</button>
        ${classes().slice(0, 9).map((c, i) => html`<button onClick=${() => onLabel(i + 1)}><kbd>${i + 1}</kbd> ${c.name}</button>`)}
        <button onClick=${onRemove}>${t(S.filter === 'removed' ? 'edit.restore' : 'edit.remove')}</button>
      </div>
    </div></dialog>`;
  }
}

export class Data extends Component {
  grid = createRef();
  state = { photos: null, top: 0, width: 900, height: 600, at: 0, from: 0, chosen: new Set(), large: false, name: '' };

  componentDidMount() {
    this.load();
    this.watch = new ResizeObserver(() => this.measure());
  }
  componentWillUnmount() {
    this.watch.disconnect();
  }
  componentDidUpdate() {
    const grid = this.grid.current;
    if (grid && this.watched !== grid) {
      this.watched = grid;
      this.watch.observe(grid);
    }
    if (this.rev !== S.project.rev || this.asked !== this.question()) this.load();
    if (this.focusNext && grid) {
      const cell = grid.querySelector(`[data-at="${this.state.at}"]`);
      if (cell) {
        this.focusNext = false;
        cell.focus({ preventScroll: true });
      }
    }
  }
  question = () => `/photos?filter=${S.filter}${S.only === null ? '' : `&class=${S.only}`}`;
  load = safe(async () => {
    this.rev = S.project.rev;
    const asked = (this.asked = this.question());
    const photos = await get(asked);
    if (asked !== this.asked) return;
    if (S.found) await this.find();
    if (this.grid.current?.contains(document.activeElement)) this.focusNext = true;
    const there = new Set(photos.id);
    const at = Math.max(0, Math.min(this.state.at, photos.total - 1));
    this.setState({ photos, at, from: at, chosen: new Set([...this.state.chosen].filter((id) => there.has(id))) });
  });
  measure() {
    const g = this.grid.current;
    if (g) this.setState({ width: g.clientWidth, height: g.clientHeight });
  }
  get across() {
    return Math.max(1, Math.floor((this.state.width - PAD) / STEP));
  }

  // ---- choosing ----
  go(at, extend) {
    const { photos, from } = this.state;
    at = Math.max(0, Math.min(photos.total - 1, at));
    let { chosen } = this.state;
    if (extend) chosen = new Set(photos.id.slice(Math.min(at, from), Math.max(at, from) + 1));
    this.focusNext = true;
    const g = this.grid.current;
    const y = Math.floor(at / this.across) * STEP;
    if (y < g.scrollTop) g.scrollTop = y;
    else if (y + STEP + PAD > g.scrollTop + g.clientHeight) g.scrollTop = y + STEP + PAD - g.clientHeight;
    this.setState({ at, from: extend ? from : at, chosen, top: g.scrollTop });
  }
  toggle(at) {
    const chosen = new Set(this.state.chosen);
    const id = this.state.photos.id[at];
    if (!chosen.delete(id)) chosen.add(id);
    this.setState({ chosen, at, from: at });
  }
  targets() {
    const { chosen, photos, at } = this.state;
    return chosen.size ? [...chosen] : photos?.total ? [photos.id[at]] : [];
  }
  label = safe(async (n, ids = this.targets()) => {
    const c = classes()[n - 1];
    if (!c || !ids.length) return;
    this.focusNext = !this.state.large && this.grid.current?.contains(document.activeElement);
    await edit([{ ids, class: c.class }]);
    update({ said: t('data.labelled', { n: ids.length, name: c.name }) });
  });
  remove = safe(async (ids = this.targets()) => {
    if (!ids.length) return;
    const back = S.filter === 'removed';
    this.focusNext = !this.state.large && this.grid.current?.contains(document.activeElement);
    await edit([{ ids, removed: !back }]);
    update({ said: t(back ? 'data.restored' : 'data.removed', { n: ids.length }) });
  });
  check = safe(async () => {
    await job('check');
    await this.find();
    this.load();
  });
  async find() {
    const total = async (filter) => [filter, (await get(`/photos?filter=${filter}&count=0`)).total];
    update({ found: (await Promise.all(['wrong', 'copies', 'broken'].map(total))).filter(([, n]) => n > 0) });
  }
  // Set apart: never learned from, and no part in any choice.
  setApart = safe(async () => {
    const ids = this.targets();
    await edit(ids.map((id) => ({ id, part: 'test' })));
    update({ said: t('data.setapart', { n: ids.length }) });
  });
  addClass = safe(async (e) => {
    e.preventDefault();
    const name = this.state.name.trim();
    if (!name) return;
    await edit([{ class: S.project.classes.length, name }]);
    this.setState({ name: '' });
  });
  key = (e) => {
    if (e.isComposing || e.altKey) return;
    const { at, photos } = this.state;
    const page = Math.max(1, Math.floor(this.state.height / STEP)) * this.across;
    const moves = { ArrowRight: at + 1, ArrowLeft: at - 1, ArrowDown: at + this.across, ArrowUp: at - this.across, PageDown: at + page, PageUp: at - page, Home: 0, End: photos.total - 1 };
    if (e.key in moves) this.go(moves[e.key], e.shiftKey);
    else if (e.key === ' ') this.toggle(at);
    else if (e.key === 'Enter') this.setState({ large: true });
    else if (e.key === 'Escape') this.setState({ chosen: new Set() });
    else if ((e.ctrlKey || e.metaKey) && e.key.toLowerCase() === 'a') this.setState({ chosen: new Set(photos.id) });
    else if (e.ctrlKey || e.metaKey) return;
    else if (/^[1-9]$/.test(e.key)) this.label(Number(e.key));
    else if (e.key.toLowerCase() === 'x') this.remove();
    else return;
    e.preventDefault();
  };
  click = (e, at) => {
    if (e.shiftKey) this.go(at, true);
    else if (e.detail === 2) this.setState({ large: true, at, from: at });
    else this.toggle(at);
    e.currentTarget.focus({ preventScroll: true });
  };

  // ---- drawing ----
  cell(at) {
    const { photos, chosen } = this.state;
    const id = photos.id[at];
    const flags = photos.flags[at];
    const what = [4, 8, 16, 2].find((f) => flags & f) ?? (photos.part[at] === 3 && 'test');
    const words = [t('photo.name', { n: id }), className(photos.class[at]), what && t(`flag.${what}`)].filter(Boolean).join(', ');
    return html`<div role="gridcell" class="thumb" key=${id} data-at=${at} data-id=${id} aria-colindex=${(at % this.across) + 1} aria-selected=${chosen.has(id)} aria-label=${words}
      tabindex=${at === this.state.at ? 0 : -1} style=${thumbStyle(id)} onClick=${(e) => this.click(e, at)}>
      <span class="tag" aria-hidden="true">${className(photos.class[at])}</span>${what && html`<span class="flag" aria-hidden="true">${t(`flag.${what}`)}</span>`}
    </div>`;
  }
  lines() {
    const { photos, top, height, at } = this.state;
    const rows = Math.ceil(photos.total / this.across);
    const first = Math.max(0, Math.floor((top - height) / STEP));
    const last = Math.min(rows - 1, Math.ceil((top + 2 * height) / STEP));
    const shown = new Set([Math.floor(at / this.across)]);
    for (let r = first; r <= last; r++) shown.add(r);
    return [...shown].sort((a, b) => a - b).map((r) => html`<div role="row" class="line" key=${r} aria-rowindex=${r + 1} style=${{ top: `${PAD + r * STEP}px` }}>
      ${photos.id.slice(r * this.across, (r + 1) * this.across).map((_, i) => this.cell(r * this.across + i))}</div>`);
  }
  render(_, { photos, chosen, at, large, name }) {
    if (!S.project.ids) return html`<div class="page"><div class="card empty"><h1>${t('data.none')}</h1><p class="quiet">${t('data.few')}</p><a class="button main" href="#/start">${t('start.files')}</a></div></div>`;
    const rows = photos ? Math.ceil(photos.total / this.across) : 0;
    const few = classes().length < 2;
    return html`<div class="page data">
      <div class="row spread"><h1>${t('nav.data')}</h1>
        <div class="row">
          <label class="field">${t('data.show')} <select value=${S.filter} onChange=${(e) => update({ filter: e.target.value })}>${FILTERS.map((f) => html`<option value=${f}>${t(`filter.${f}`)}</option>`)}</select></label>
          <button disabled=${busy() || few} onClick=${this.check}>${t('data.check')}</button>
        </div></div>
      <div class="chips" role="group" aria-label=${t('data.classes')}>
        <button class="chip" aria-pressed=${S.only === null} onClick=${() => update({ only: null })}>${t('data.every')} <span class="quiet">${t('number', { n: S.project.photos })}</span></button>
        ${classes().map((c) => html`<button class="chip" aria-pressed=${S.only === c.class} onClick=${() => update({ only: c.class })}>${c.name} <span class="quiet">${t('number', { n: c.photos })}</span></button>`)}
        <form class="row" onSubmit=${this.addClass}><input type="text" maxlength="80" aria-label=${t('data.newname')} placeholder=${t('data.newname')} value=${name} onInput=${(e) => this.setState({ name: e.target.value })} /><button disabled=${!name.trim()}>${t('data.add')}</button></form>
      </div>
      ${S.found && html`<div class="note row" role="status">${S.found.length ? S.found.map(([f, n]) => html`<button onClick=${() => update({ filter: f })}>${t(`filter.${f}`)} ${t('number', { n })}</button>`) : t('data.sound')}</div>`}
      ${few && html`<p class="note">${t('data.twoclasses')}</p>`}
      <div class="row"><span class="quiet small">${chosen.size ? t('data.chosen', { n: chosen.size }) : t('data.choose')}</span>
        ${classes().slice(0, 9).map((c, i) => html`<button disabled=${!chosen.size} onClick=${() => this.label(i + 1, [...chosen])}><kbd>${i + 1}</kbd> ${c.name}</button>`)}
        <button disabled=${!chosen.size} onClick=${() => this.remove([...chosen])}>${t(S.filter === 'removed' ? 'edit.restore' : 'edit.remove')} <kbd>X</kbd></button>
        <button disabled=${!chosen.size} onClick=${this.setApart}>${t('data.test')}</button>
        ${chosen.size > 0 && html`<button class="plain" onClick=${() => this.setState({ chosen: new Set() })}>${t('data.clear')}</button>`}
      </div>
      ${photos && photos.total === 0 ? html`<div class="card empty"><p class="quiet">${t('data.nothing')}</p></div>` : photos && html`<div ref=${this.grid} class="grid" role="grid" aria-multiselectable="true" aria-label=${t('data.grid', { n: photos.total })}
          aria-rowcount=${rows} aria-colcount=${this.across} onKeyDown=${this.key} onScroll=${(e) => this.setState({ top: e.currentTarget.scrollTop })}>
        <div role="presentation" style=${{ height: `${rows * STEP + PAD}px` }}>${this.lines()}</div></div>`}
      <p class="small quiet">${t('data.keys')}</p>
      ${large && photos.total > 0 && html`<${Large} id=${photos.id[at]} at=${at} total=${photos.total} onMove=${(d) => this.setState({ at: Math.max(0, Math.min(photos.total - 1, at + d)) })}
        onLabel=${(n) => this.label(n, [photos.id[at]])} onRemove=${() => this.remove([photos.id[at]])} onClose=${() => { this.focusNext = true; this.setState({ large: false }); }} />`}
    </div>`;
  }
}
