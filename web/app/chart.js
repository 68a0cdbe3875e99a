// chart.js - curves as our own SVG, with their numbers in a table behind.
import { html, t, number } from './core.js';

const W = 640, H = 240, L = 48, B = 30, T = 14, R = 14;
const path = (points, x, y) => points.map(([a, b], i) => `${i ? 'L' : 'M'}${x(a).toFixed(1)} ${y(b).toFixed(1)}`).join('');

// series: [{name, points: [[x, y]]}], at most two; digits: of the table.
export const Chart = ({ label, across, series, top, digits = 3 }) => {
  const all = series.flatMap((s) => s.points);
  if (!all.length) return null;
  const xs = all.map((p) => p[0]);
  const x0 = Math.min(...xs), x1 = Math.max(x0 + 1, ...xs);
  const y1 = top ?? Math.max(1e-6, ...all.map((p) => p[1])) * 1.05;
  const x = (v) => L + ((v - x0) / (x1 - x0)) * (W - L - R);
  const y = (v) => H - B - (v / y1) * (H - B - T);
  const table = [...new Set(xs)].sort((a, b) => a - b);
  return html`<figure class="wide">
    <svg class="chart" viewBox=${`0 0 ${W} ${H}`} role="img" aria-label=${label}>
      ${[0, 0.25, 0.5, 0.75, 1].map((f) => html`<line class="axis" x1=${L} x2=${W - R} y1=${y(f * y1)} y2=${y(f * y1)} /><text x=${L - 8} y=${y(f * y1) + 4} text-anchor="end">${number(f * y1, 2)}</text>`)}
      <text x=${L} y=${H - 8}>${number(x0)}</text><text x=${W - R} y=${H - 8} text-anchor="end">${number(x1)}</text><text x=${(L + W) / 2} y=${H - 8} text-anchor="middle">${across}</text>
      ${series.map((s, i) => html`<path class=${i ? 'two' : 'one'} d=${path(s.points, x, y)} />`)}
      ${series.map((s, i) => s.points.length === 1 && html`<circle class=${`key ${i ? 'two' : 'one'}`} cx=${x(s.points[0][0])} cy=${y(s.points[0][1])} r="3" />`)}
    </svg>
    <figcaption class="row">${series.map((s, i) => html`<span><svg width="28" height="10" aria-hidden="true" class="chart" style=${{ width: '28px', display: 'inline' }}><path class=${i ? 'two' : 'one'} d="M0 5H28" /></svg> ${s.name}</span>`)}</figcaption>
    <details><summary>${t('chart.table')}</summary><div class="scroll" tabindex="0" role="group" aria-label=${label}><table><thead><tr><th scope="col">${across}</th>${series.map((s) => html`<th scope="col">${s.name}</th>`)}</tr></thead>
      <tbody>${table.map((v) => html`<tr><th scope="row">${number(v)}</th>${series.map((s) => { const p = s.points.find((q) => q[0] === v); return html`<td>${p ? number(p[1], digits) : '–'}</td>`; })}</tr>`)}</tbody></table></div></details>
  </figure>`;
};
