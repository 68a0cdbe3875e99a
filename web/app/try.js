// try.js - photos that are kept nowhere: what the model takes them for, and how sure it is.
import { html, Component, createRef, S, t, send, safe, percent, Thumb } from './core.js';
import { NoRun, RunChoice } from './runs.js';
import { dropped, chosen } from './upload.js';

// A spreadsheet takes a cell that begins so for a formula.
const cell = (v) => {
  const s = String(v);
  return `"${(/^[=+\-@\t\r]/.test(s) ? `'${s}` : s).replaceAll('"', '""')}"`;
};
const denied = (e) => t(e.name === 'NotAllowedError' ? 'try.denied' : e.name === 'NotFoundError' ? 'try.absent' : e.name === 'NotReadableError' ? 'try.busy' : 'try.nocamera');

const Answer = ({ a, photo }) => html`<li class="card"><div class="row"><strong>${a.top[0].name}</strong> <span class="quiet small">${a.name}</span> ${a.unsure && html`<span class="badge">${t('result.unsure')}</span>`}</div>
  <div class="columns"><figure><img src=${photo} alt=${a.name} /></figure><div class="card">
    ${a.top.map((c) => html`<div class="bar"><span>${c.name}</span><span><i aria-hidden="true" style=${{ width: `${100 * c.p}%` }}></i></span><span>${percent(c.p)}</span></div>`)}
    ${a.why ? html`<figure><img src=${a.why} alt=${t('see.why.alt', { name: a.top[0].name })} /><figcaption>${t('see.why.key')}</figcaption></figure>` : html`<div><button onClick=${a.ask}>${t('see.why')}</button></div>`}
    ${a.alike?.length > 0 && html`<div><p class="small quiet">${t('try.alike')}</p><div class="row">${a.alike.slice(0, 3).map((n) => html`<${Thumb} id=${n.id} />`)}</div></div>`}
  </div></div></li>`;

export class Try extends Component {
  video = createRef();
  state = { answers: [], camera: null, now: null, trouble: null };
  componentWillUnmount() {
    this.gone = true;
    this.close();
    for (const a of this.state.answers) URL.revokeObjectURL(a.photo);
  }
  path() {
    return `/try?run=${S.run}&threshold=${S.threshold[S.run] ?? 0}`;
  }
  take = safe(async (files) => {
    for (const { file } of files) {
      let a;
      try {
        a = await (await send('POST', this.path(), file)).json();
      } catch (e) {
        if (e.key !== 'not_a_photo') throw e;
        this.setState({ trouble: t('try.notphoto', { name: file.name }) });
        continue;
      }
      Object.assign(a, { name: file.name, photo: URL.createObjectURL(file) });
      a.ask = safe(async () => {
        const why = await send('POST', `/why?run=${S.run}`, file);
        a.why = URL.createObjectURL(await why.blob());
        this.setState({});
      });
      this.setState({ answers: [a, ...this.state.answers] });
    }
  });
  open = async () => {
    try {
      const camera = await navigator.mediaDevices.getUserMedia({ video: { width: 640 } });
      if (this.gone) return camera.getTracks().forEach((k) => k.stop());
      this.setState({ camera, trouble: null }, () => {
        this.video.current.srcObject = camera;
        this.look();
      });
    } catch (e) {
      this.setState({ trouble: denied(e) });
    }
  };
  close = () => {
    this.state.camera?.getTracks().forEach((k) => k.stop());
    this.setState({ camera: null, now: null });
  };
  frame() {
    const v = this.video.current;
    if (!v?.videoWidth) return null;
    const c = document.createElement('canvas');
    c.width = v.videoWidth;
    c.height = v.videoHeight;
    c.getContext('2d').drawImage(v, 0, 0);
    return new Promise((ok) => c.toBlob(ok, 'image/jpeg', 0.9));
  }
  // One question at a time, two a second at most.
  async look() {
    while (this.state.camera && !this.gone) {
      const photo = await this.frame();
      try {
        if (photo) this.setState({ now: await (await send('POST', this.path(), photo)).json() });
      } catch (e) {
        this.close();
        return safe(() => { throw e; })();
      }
      await new Promise((ok) => setTimeout(ok, 500));
    }
  }
  keep = async () => {
    const photo = await this.frame();
    if (photo) this.take([{ file: new File([photo], t('try.frame'), { type: 'image/jpeg' }) }]);
  };
  csv = () => {
    const rows = [['photo', 'class', 'probability', 'unsure'], ...this.state.answers.map((a) => [a.name, a.top[0].name, a.top[0].p, a.unsure ? 1 : 0])];
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([rows.map((r) => r.map(cell).join(',') + '\r\n').join('')], { type: 'text/csv' }));
    link.download = 'answers.csv';
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
  render(_, { answers, camera, now, trouble, over }) {
    if (S.run === null) return html`<${NoRun} title=${t('try.title')} />`;
    const threshold = S.threshold[S.run];
    return html`<div class="page">
      <div class="row spread"><div class="head"><h1>${t('try.title')}</h1><p class="quiet">${t('try.lead')}</p></div><${RunChoice} /></div>
      <div class=${over ? 'drop over' : 'drop'} onDragOver=${() => over || this.setState({ over: true })} onDragLeave=${() => this.setState({ over: false })}
          onDrop=${safe(async (e) => { this.setState({ over: false }); this.take(await dropped(e.dataTransfer)); })}>
        <h2>${t('start.drop')}</h2>
        <div class="row"><button class="main" onClick=${() => document.getElementById('tries').click()}>${t('start.files')}</button>
          ${camera ? html`<button onClick=${this.close}>${t('try.close')}</button>` : html`<button onClick=${this.open}>${t('try.webcam')}</button>`}</div>
        <input id="tries" class="said" tabindex="-1" aria-hidden="true" type="file" multiple accept="image/*" onChange=${(e) => { this.take(chosen(e.target.files)); e.target.value = ''; }} />
        <p class="small quiet">${threshold ? t('try.threshold', { p: percent(threshold) }) : t('try.nothreshold')}</p>
      </div>
      ${trouble && html`<p class="note bad" role="alert">${trouble}</p>`}
      ${camera && html`<div class="card"><div class="columns"><video ref=${this.video} autoplay playsinline muted aria-label=${t('try.webcam')}></video>
        <div class="card">${now ? now.top.map((c) => html`<div class="bar"><span>${c.name}</span><span><i aria-hidden="true" style=${{ width: `${100 * c.p}%` }}></i></span><span>${percent(c.p)}</span></div>`) : html`<p class="quiet">${t('train.working')}</p>`}
        ${now?.unsure && html`<div><span class="badge">${t('result.unsure')}</span></div>`}<div><button onClick=${this.keep}>${t('try.keep')}</button></div></div></div></div>`}
      ${answers.length > 0 && html`<div class="row spread"><h2>${t('try.answers', { n: answers.length })}</h2><button onClick=${this.csv}>${t('try.csv')}</button></div>
      <ul class="page" style=${{ listStyle: 'none', padding: 0, width: '100%' }} aria-live="polite">${answers.map((a) => html`<${Answer} a=${a} photo=${a.photo} />`)}</ul>`}
    </div>`;
  }
}
