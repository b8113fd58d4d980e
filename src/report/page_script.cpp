// page_script.cpp - the page's script: other axes, values under the pointer, zoom by dragging.
#include "report/page.h"

namespace farthing::page_parts {

const char* const kTicksScript = R"js(
function roundTicks(low, high, n) {
  if (!(high > low)) return [];
  const rough = (high - low) / n,
    power = 10 ** Math.floor(Math.log10(rough)),
    share = rough / power;
  const step = power * (share < 1.5 ? 1 : share < 3.5 ? 2 : share < 7.5 ? 5 : 10),
    out = [];
  for (
    let i = Math.ceil(low / step - 1e-9);
    i * step <= high + 1e-9 * step && out.length < 20;
    i++
  )
    out.push(i * step);
  return out;
}
)js";

// Its numbers for width, height and margins are those of chart.cpp.
const char* const kScript = R"js(
(() => {
  'use strict';
  const page = JSON.parse(document.getElementById('page-data').textContent);
  const tip = document.getElementById('tip');
  const W = 640,
    H = 280,
    L = 78,
    R = 14,
    T = 12,
    B = 40,
    NS = 'http://www.w3.org/2000/svg';
  let axis = page.axis;
  const zooms = {};

  function short(v, digits) {
    if (v === null || v === undefined || !isFinite(v)) return 'none';
    const a = Math.abs(v),
      d = digits || 4,
      p = (x) => String(+x.toPrecision(Math.min(d, 5)));
    if (a === 0) return '0';
    if (a >= 1e12) return p(v / 1e12) + 'T';
    if (a >= 1e9) return p(v / 1e9) + 'B';
    if (a >= 1e6) return p(v / 1e6) + 'M';
    if (a >= 1e4) return p(v / 1e3) + 'k';
    return a < 1e-3 ? v.toExponential(2).replace('.00e', 'e') : p(v);
  }
  function make(name, attributes, text) {
    const node = document.createElementNS(NS, name);
    for (const key in attributes) node.setAttribute(key, attributes[key]);
    if (text !== undefined) node.textContent = text;
    return node;
  }
  function linesOf(chart) {
    const a = page.axes[axis];
    return chart.lines.map((line, index) => {
      const data = page.data[line.data] || {};
      return {
        ...line,
        index,
        y: data[line.column] || [],
        x: (data[axis] || []).map((v) => v / a.divisor),
      };
    });
  }
  function range(values, share) {
    let low = Infinity,
      high = -Infinity;
    for (const v of values)
      if (v !== null && isFinite(v)) {
        low = Math.min(low, v);
        high = Math.max(high, v);
      }
    if (low > high) {
      low = 0;
      high = 1;
    }
    const room = high > low ? (high - low) * share : Math.max(Math.abs(high), 1e-9) * 0.5;
    return [low - room, high + room];
  }
  function draw(chart) {
    const svg = document.querySelector('#' + chart.id + ' svg'),
      lines = linesOf(chart);
    const zoom = zooms[chart.id];
    const xr =
      zoom ||
      range(
        lines.flatMap((l) => l.x),
        0.01,
      );
    const seen = lines.flatMap((l) => l.y.filter((v, i) => l.x[i] >= xr[0] && l.x[i] <= xr[1]));
    if (chart.fromZero) seen.push(0);
    const yr = range(seen, 0.05);
    if (chart.fromZero) yr[0] = 0;
    const X = (v) => L + ((v - xr[0]) / (xr[1] - xr[0])) * (W - L - R);
    const Y = (v) => H - B - ((v - yr[0]) / (yr[1] - yr[0])) * (H - T - B);
    chart.state = { xr, X, Y, lines };
    svg.replaceChildren();
    const clip = make('clipPath', { id: 'clip-' + chart.id });
    clip.append(make('rect', { x: L, y: 0, width: W - L - R, height: H - B + 3 }));
    svg.append(clip);
    for (const t of roundTicks(...yr, 5)) {
      svg.append(make('line', { class: 'grid', x1: L, x2: W - R, y1: Y(t), y2: Y(t) }));
      svg.append(make('text', { x: L - 7, y: Y(t) + 4, 'text-anchor': 'end' }, short(t)));
    }
    for (const t of roundTicks(...xr, 5))
      svg.append(make('text', { x: X(t), y: H - B + 17, 'text-anchor': 'middle' }, short(t)));
    svg.append(make('text', { x: W - R, y: H - 4, 'text-anchor': 'end' }, page.axes[axis].label));
    const group = make('g', { class: 'lines', 'clip-path': 'url(#clip-' + chart.id + ')' });
    for (const l of lines) {
      if (l.style === 'dots') {
        l.x.forEach((x, i) => {
          if (l.y[i] !== null)
            group.append(
              make('circle', { class: 's' + l.index + ' dots', cx: X(x), cy: Y(l.y[i]), r: 4 }),
            );
        });
        continue;
      }
      let d = '',
        down = false;
      l.x.forEach((x, i) => {
        if (l.y[i] === null) {
          down = false;
          return;
        }
        d += (down ? 'L' : 'M') + X(x).toFixed(1) + ' ' + Y(l.y[i]).toFixed(1);
        down = true;
      });
      group.append(make('path', { class: 's' + l.index + ' ' + l.style, d }));
    }
    svg.append(group);
  }
  function pointerX(svg, event) {
    const box = svg.getBoundingClientRect();
    return Math.min(W - R, Math.max(L, ((event.clientX - box.left) / box.width) * W));
  }
  function showTip(event, text) {
    tip.hidden = false;
    tip.textContent = text;
    const width = tip.offsetWidth,
      x = event.clientX + 14;
    tip.style.left =
      Math.max(4, x + width > innerWidth - 4 ? event.clientX - width - 14 : x) + 'px';
    tip.style.top = Math.max(4, event.clientY - tip.offsetHeight - 10) + 'px';
  }
  function describe(chart, at) {
    const words = [];
    let where = null;
    for (const l of chart.state.lines) {
      if (!l.name || !l.x.length) continue;
      let best = 0;
      l.x.forEach((x, i) => {
        if (Math.abs(x - at) < Math.abs(l.x[best] - at)) best = i;
      });
      if (where === null) where = l.x[best];
      const far = Math.abs(chart.state.X(l.x[best]) - chart.state.X(where)) > 5;
      words.push(
        l.name + ': ' + short(l.y[best], 5) + (far ? ' (at ' + short(l.x[best], 5) + ')' : ''),
      );
    }
    return where === null
      ? null
      : { where, text: page.axes[axis].label + ': ' + short(where, 5) + '\n' + words.join('\n') };
  }
  function listen(chart) {
    const svg = document.querySelector('#' + chart.id + ' svg');
    let from = null,
      cursor = null,
      band = null;
    const value = (px) => {
      const { xr } = chart.state;
      return xr[0] + ((px - L) / (W - L - R)) * (xr[1] - xr[0]);
    };
    const clear = () => {
      tip.hidden = true;
      cursor?.remove();
      cursor = null;
    };
    const point = (event) => {
      const px = pointerX(svg, event),
        found = describe(chart, value(px));
      if (!found) return;
      cursor?.remove();
      const cx = chart.state.X(found.where);
      cursor = make('line', { class: 'cursor', x1: cx, x2: cx, y1: T, y2: H - B });
      svg.append(cursor);
      showTip(event, found.text);
      if (from === null) return;
      band?.remove();
      band = make('rect', {
        class: 'zoom',
        x: Math.min(from, px),
        y: T,
        width: Math.abs(px - from),
        height: H - T - B,
      });
      svg.append(band);
    };
    svg.addEventListener('pointermove', point);
    svg.addEventListener('pointerdown', (event) => {
      if (event.pointerType === 'mouse') from = pointerX(svg, event);
      else point(event);
    });
    svg.addEventListener('pointerup', (event) => {
      if (from === null) return;
      const to = pointerX(svg, event),
        low = value(Math.min(from, to)),
        high = value(Math.max(from, to));
      const far = Math.abs(to - from) > 8;
      from = null;
      band?.remove();
      band = null;
      if (far) {
        zooms[chart.id] = [low, high];
        draw(chart);
      }
    });
    svg.addEventListener('dblclick', () => {
      delete zooms[chart.id];
      draw(chart);
    });
    svg.addEventListener('pointerleave', () => {
      clear();
      from = null;
      band?.remove();
      band = null;
    });
  }
  function listenHeat(map) {
    const svg = document.querySelector('#' + map.id + ' svg'),
      height = +svg.dataset.height;
    svg.addEventListener('pointermove', (event) => {
      const box = svg.getBoundingClientRect(),
        scale = W / box.width;
      const x = (event.clientX - box.left) * scale - L,
        y = (event.clientY - box.top) * scale - T;
      const column = Math.floor((x / (W - L - R)) * map.columns.length),
        row = Math.floor((y / height) * map.values.length);
      if (!(map.values[row] && column >= 0 && column < map.columns.length)) {
        tip.hidden = true;
        return;
      }
      showTip(
        event,
        map.row +
          ' ' +
          row +
          ', ' +
          map.column +
          ' ' +
          short(map.columns[column], 5) +
          '\n' +
          short(map.values[row][column]),
      );
    });
    svg.addEventListener('pointerleave', () => {
      tip.hidden = true;
    });
  }
  for (const chart of page.charts) {
    draw(chart);
    listen(chart);
  }
  for (const map of page.heat) listenHeat(map);
  for (const button of document.querySelectorAll('button[data-axis]'))
    button.addEventListener('click', () => {
      axis = button.dataset.axis;
      for (const other of document.querySelectorAll('button[data-axis]'))
        other.setAttribute('aria-pressed', other === button);
      for (const chart of page.charts) {
        delete zooms[chart.id];
        draw(chart);
      }
    });
})();
)js";

}  // namespace farthing::page_parts
