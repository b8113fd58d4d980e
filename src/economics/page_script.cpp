// page_script.cpp - the script of a money page, second half: sliders, charts, SVG, citations.
#include "economics/page.h"

namespace farthing::money_parts {

const char* const kPageScript = R"js(
(() => {
  'use strict';
  const page = JSON.parse(document.getElementById('page-data').textContent);
  const { evaluate, partsOf, swings, range, likely, chance, chanceWords, format } = farthingSheet,
    lines = page.sheet;
  const byId = Object.fromEntries(lines.map((l) => [l.id, l]));
  const first = evaluate(lines),
    NS = 'http://www.w3.org/2000/svg';
  const tip = document.getElementById('tip');
  const inputs = {};
  let values = first;
  const show = (id, v) => format(v, byId[id].unit);

  function make(name, attributes, text, parent) {
    const node = document.createElementNS(NS, name);
    for (const key in attributes) node.setAttribute(key, attributes[key]);
    if (text !== undefined && text !== null) node.textContent = text;
    parent?.append(node);
    return node;
  }
  const bar = (svg, x0, x1, y, h, kind, title) => {
    const r = make(
      'rect',
      {
        class: kind,
        x: Math.min(x0, x1),
        y,
        width: Math.max(1, Math.abs(x1 - x0)),
        height: h,
        rx: 2,
      },
      null,
      svg,
    );
    if (title) make('title', {}, title, r);
  };
  // Ticks at the ends of an axis stay inside the picture.
  function anchor(x, text, W) {
    const half = text.length * 3.9;
    return x < half ? 'start' : x + half > W ? 'end' : 'middle';
  }
  function cut(text, n) {
    return text.length > n ? text.slice(0, n - 1) + '\u2026' : text;
  }

  // Words in lines of n characters; a longer word is cut.
  function linesOf(text, n) {
    const lines = [''];
    for (const word of text.split(' ')) {
      const last = lines[lines.length - 1];
      if (last && last.length + 1 + word.length > n) lines.push(word);
      else lines[lines.length - 1] = last ? last + ' ' + word : word;
    }
    return lines.map((line) => cut(line, n));
  }
  // The ticks whose words do not run into those before them: {x, text, anchor}.
  function apart(ts, X, words, W) {
    let end = -Infinity;
    return ts.flatMap((t) => {
      const x = X(t),
        text = words(t),
        where = anchor(x, text, W),
        width = text.length * 7.8;
      const from = where === 'start' ? x : where === 'end' ? x - width : x - width / 2;
      if (from < end) return [];
      end = from + width + 4;
      return [{ x, text, anchor: where }];
    });
  }

  // A frame for rows of bars: label above the bar on narrow screens, beside it on wide ones; a row
  // is as high as its label's lines.
  function rows(svg, labels) {
    const W = Math.max(300, svg.clientWidth || 640),
      narrow = W < 560;
    const left = narrow ? 4 : Math.min(330, W * 0.36),
      right = narrow ? 92 : 128,
      h = 18;
    const said = labels.map((text) => linesOf(text, Math.floor(((narrow ? W : left) - 8) / 7.6)));
    const steps = said.map(({ length }) =>
      narrow ? 30 + 14 * length : Math.max(30, 2 + 14 * length),
    );
    const begin = steps.map((_, i) => steps.slice(0, i).reduce((a, b) => a + b, 0));
    const H = steps.reduce((a, b) => a + b, 26);
    svg.setAttribute('viewBox', `0 0 ${W} ${H}`);
    svg.replaceChildren();
    return {
      W,
      H,
      narrow,
      left,
      right,
      top: (i) => begin[i] + (narrow ? steps[i] - 24 : (steps[i] - h) / 2 - 1),
      h,
      label(i) {
        const first = narrow ? 14 : steps[i] / 2 + 4 - 7 * (said[i].length - 1);
        said[i].forEach((line, k) => {
          const at = narrow ? { x: left } : { x: left - 8, 'text-anchor': 'end' },
            words = make('text', { ...at, y: begin[i] + first + 14 * k }, line, svg);
          make('title', {}, labels[i], words);
        });
      },
      ticks(ts, X, unit) {
        for (const t of ts) {
          svg.insertBefore(
            make('line', { class: 'grid', x1: X(t), x2: X(t), y1: 0, y2: H - 22 }),
            svg.firstChild,
          );
        }
        for (const t of apart(ts, X, (v) => format(v, unit), W))
          make('text', { class: 'soft', x: t.x, y: H - 7, 'text-anchor': t.anchor }, t.text, svg);
      },
    };
  }
  const labelsOf = (list) => list.map((item) => item.label);
  function drawBars(svg, chart) {
    const list = chart.items,
      f = rows(svg, labelsOf(list)),
      unit = byId[list[0].id].unit;
    const spans = list.map((i) =>
      isFinite(values[i.id]) && !i.stated ? range(lines, i.id, inputs) : [0, 0],
    );
    const high = Math.max(
      1e-300,
      ...list.map((i, k) => Math.max(isFinite(values[i.id]) ? values[i.id] : 0, spans[k][1])),
    );
    const X = (v) => f.left + (v / high) * (f.W - f.left - f.right);
    f.ticks(roundTicks(0, high, f.narrow ? 2 : 4), X, unit);
    list.forEach((item, i) => {
      const v = values[item.id],
        y = f.top(i),
        m = y + f.h / 2;
      f.label(i);
      if (!isFinite(v)) {
        make('text', { class: 'soft', x: f.left + 6, y: y + 14 }, 'not stated', svg);
        return;
      }
      bar(
        svg,
        X(0),
        X(v),
        y,
        f.h,
        item.total ? 'total' : 'up',
        item.label + ': ' + show(item.id, v),
      );
      let end = X(v);
      if (spans[i][1] > spans[i][0]) {
        make(
          'line',
          { class: 'whisker', x1: X(spans[i][0]), x2: X(spans[i][1]), y1: m, y2: m },
          null,
          svg,
        );
        for (const e of spans[i])
          make('line', { class: 'whisker', x1: X(e), x2: X(e), y1: m - 5, y2: m + 5 }, null, svg);
        end = Math.max(end, X(spans[i][1]));
      }
      make('text', { x: end + 7, y: y + 14 }, show(item.id, v), svg);
    });
  }
  function drawWaterfall(svg, chart, multiply) {
    const list = chart.items,
      f = rows(svg, labelsOf(list)),
      unit = byId[list[0].id].unit;
    let at = multiply ? 1 : 0;
    const spans = list.map((item) => {
      const v = values[item.id],
        ok = isFinite(v);
      if (item.total) return [multiply ? 1 : 0, ok ? v : multiply ? 1 : 0, ok];
      const from = at;
      if (ok) at = multiply ? at * v : at + v;
      return [from, at, ok];
    });
    const all = spans.flatMap((s) => [s[0], s[1]]),
      T = multiply ? Math.log : (v) => v;
    const low = Math.min(...all.map(T)),
      high = Math.max(...all.map(T), low + 1e-12);
    const X = (v) => f.left + ((T(v) - low) / (high - low)) * (f.W - f.left - f.right);
    const ticks = multiply
      ? [0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000].filter(
          (t) => T(t) >= low - 1e-9 && T(t) <= high + 1e-9,
        )
      : roundTicks(low, high, f.narrow ? 2 : 4);
    f.ticks(ticks, X, unit);
    list.forEach((item, i) => {
      const [a, b, ok] = spans[i],
        y = f.top(i);
      f.label(i);
      if (!ok) {
        make('text', { class: 'soft', x: X(a) + 6, y: y + 14 }, 'not stated', svg);
        return;
      }
      bar(
        svg,
        X(a),
        X(b),
        y,
        f.h,
        item.total ? 'total' : T(b) >= T(a) ? 'up' : 'down',
        item.label + ': ' + show(item.id, values[item.id]),
      );
      make(
        'text',
        { x: Math.max(X(a), X(b)) + 7, y: y + 14 },
        show(item.id, values[item.id]),
        svg,
      );
      if (i + 1 < list.length && !list[i + 1].total)
        make(
          'line',
          { class: 'link', x1: X(b), x2: X(b), y1: y + f.h, y2: f.top(i + 1) },
          null,
          svg,
        );
    });
  }
  function drawSpans(svg, chart) {
    const list = chart.items,
      f = rows(svg, labelsOf(list)),
      unit = byId[list[0].id].unit;
    const ends = list.map((i) => [values[i.id], values[i.to ?? i.id]]),
      low = Math.log10(Math.min(...ends.flat())),
      high = Math.max(Math.log10(Math.max(...ends.flat())), low + 1e-12);
    const X = (v) =>
      f.left + 6 + ((Math.log10(v) - low) / (high - low)) * (f.W - f.left - f.right - 6);
    const every = Math.ceil((high - low) / (f.narrow ? 3 : 8)),
      ticks = [];
    for (let k = Math.ceil(low); k <= high; k += every) ticks.push(10 ** k);
    f.ticks(ticks, X, unit);
    list.forEach((item, i) => {
      const [a, b] = ends[i],
        figures = a === b ? show(item.id, a) : show(item.id, a) + ' to ' + show(item.to, b);
      const words = item.words ?? figures,
        y = f.top(i),
        fits = X(b) + 9 + 7.6 * words.length < f.W;
      f.label(i);
      bar(svg, X(a) - 2, X(b) + 2, y, f.h, 'up', item.label + ': ' + words);
      make(
        'text',
        { x: fits ? X(b) + 9 : X(a) - 9, y: y + 14, 'text-anchor': fits ? 'start' : 'end' },
        words,
        svg,
      );
    });
  }
  function drawTornado(svg, chart) {
    const list = swings(lines, chart.target, inputs).slice(0, 10),
      f = rows(svg, list.length ? labelsOf(list) : ['']);
    const unit = byId[chart.target].unit,
      mid = values[chart.target];
    if (!list.length) {
      make('text', { x: f.left, y: 19 }, 'no input has a range', svg);
      return;
    }
    const all = list
      .flatMap((s) => [s.low, s.high])
      .concat(mid)
      .filter(isFinite);
    const low = Math.min(...all),
      high = Math.max(...all, low + 1e-300);
    const words = list.map((s) => s.ends.map((e) => show(s.id, e)));
    const room = 12 + 7.6 * Math.max(...words.flat().map((w) => w.length));
    const X = (v) => f.left + room + ((v - low) / (high - low)) * (f.W - f.left - 2 * room - 4);
    f.ticks(roundTicks(low, high, f.narrow ? 2 : 4), X, unit);
    list.forEach((s, i) => {
      const y = f.top(i),
        a = Math.min(s.low, s.high),
        b = Math.max(s.low, s.high);
      f.label(i);
      bar(
        svg,
        X(s.low),
        X(mid),
        y,
        f.h,
        'low',
        `${s.label} = ${show(s.id, s.ends[0])}: ${format(s.low, unit)}`,
      );
      bar(
        svg,
        X(s.high),
        X(mid),
        y,
        f.h,
        'high',
        `${s.label} = ${show(s.id, s.ends[1])}: ${format(s.high, unit)}`,
      );
      make(
        'text',
        { class: 'soft', x: X(a) - 6, y: y + 14, 'text-anchor': 'end' },
        words[i][a === s.low ? 0 : 1],
        svg,
      );
      make(
        'text',
        { class: 'soft', x: X(b) + 6, y: y + 14 },
        words[i][b === s.high ? 1 : 0],
        svg,
      );
    });
    svg.prepend(make('line', { class: 'here', x1: X(mid), x2: X(mid), y1: 0, y2: f.H - 22 }));
  }
  // Axes, their ticks and the legend of a plane from (at.left, at.low) to (at.right, at.high).
  function plane(svg, items, at) {
    const W = Math.max(300, svg.clientWidth || 640),
      L = 74,
      R = 16,
      B = 44,
      room = Math.floor((W - L) / 7);
    let legend = L,
      T = 30;
    const said = items.map((item) => linesOf(item.label, room));
    const places = said.map((lines) => {
      const width = Math.max(...lines.map((line) => line.length)) * 7;
      if (legend > L && legend + width > W) {
        legend = L;
        T += 17;
      }
      const place = { x: legend, y: T - 14 };
      legend += width + 22;
      T += 17 * (lines.length - 1);
      return place;
    });
    const H = 270 + T;
    svg.setAttribute('viewBox', `0 0 ${W} ${H}`);
    svg.replaceChildren();
    const X = (x) => L + ((x - at.left) / (at.right - at.left)) * (W - L - R);
    const Y = (y) => H - B - ((y - at.low) / (at.high - at.low)) * (H - T - B);
    for (const t of roundTicks(at.low, at.high, 5)) {
      make('line', { class: 'grid', x1: L, x2: W - R, y1: Y(t), y2: Y(t) }, null, svg);
      make(
        'text',
        { class: 'soft', x: L - 7, y: Y(t) + 4, 'text-anchor': 'end' },
        format(t, at.unit),
        svg,
      );
    }
    const along = roundTicks(at.left, at.right, W < 560 ? 3 : 7);
    for (const t of apart(along, X, (v) => format(v, at.unitX), W))
      make('text', { class: 'soft', x: t.x, y: H - B + 17, 'text-anchor': t.anchor }, t.text, svg);
    make('text', { class: 'soft', x: W - R, y: H - 6, 'text-anchor': 'end' }, at.labelX, svg);
    said.forEach((lines, k) =>
      lines.forEach((line, n) => {
        const { x, y } = places[k];
        make('text', { class: 's' + (k % 4), x, y: y + 17 * n }, line, svg);
      }),
    );
    return { X, Y, T, bottom: H - B };
  }
  function drawCurve(svg, chart) {
    const N = 120,
      { xLow, xHigh } = chart;
    const xs = Array.from({ length: N + 1 }, (_, i) => xLow + ((xHigh - xLow) * i) / N);
    const parts = partsOf(
      lines,
      chart.items.map((i) => i.id),
    );
    const ys = xs.map((x) => evaluate(parts, { ...inputs, [chart.x]: x }));
    const seen = chart.items
      .flatMap((i) => ys.map((y) => y[i.id]))
      .filter(isFinite)
      .sort((a, b) => a - b);
    if (!seen.length) return;
    const here = values[chart.x];
    const inside = here >= xLow && here <= xHigh;
    // A steep end is cut off, the present case never is.
    const now = inside ? chart.items.map((i) => values[i.id]).filter(isFinite) : [];
    const cap = Math.max(seen[Math.floor(seen.length / 2)] * 4, ...now.map((v) => v * 1.25)),
      high = Math.min(seen[seen.length - 1], cap > 0 ? cap : Infinity),
      low = Math.min(0, seen[0]);
    const { X, Y, T, bottom } = plane(svg, chart.items, {
      left: xLow,
      right: xHigh,
      low,
      high,
      unit: byId[chart.items[0].id].unit,
      unitX: byId[chart.x].unit,
      labelX: byId[chart.x].label,
    });
    if (inside)
      make('line', { class: 'here', x1: X(here), x2: X(here), y1: T, y2: bottom }, null, svg);
    chart.items.forEach((item, k) => {
      let d = '',
        down = false;
      xs.forEach((x, i) => {
        const y = ys[i][item.id];
        if (!isFinite(y) || y > high * 1.001) {
          down = false;
          return;
        }
        d += (down ? 'L' : 'M') + X(x).toFixed(1) + ' ' + Y(y).toFixed(1);
        down = true;
      });
      make('path', { class: 's' + (k % 4), d }, null, svg);
    });
  }
  function drawLines(svg, chart) {
    const list = chart.items.map((item) =>
      item.points
        .map(([x, y]) => [item.id ? x * values[item.id] : x, y])
        .filter(([x]) => isFinite(x)),
    );
    const ys = list.flat().map((p) => p[1]);
    if (!ys.length) return;
    const pad = (Math.max(...ys) - Math.min(...ys)) * 0.05 || 0.1;
    const { X, Y } = plane(svg, chart.items, {
      left: 0,
      right: Math.max(...list.flat().map((p) => p[0])) || 1,
      low: Math.min(...ys) - pad,
      high: Math.max(...ys) + pad,
      unit: '',
      unitX: chart.unit,
      labelX: chart.x,
    });
    list.forEach((points, k) => {
      const kind = 's' + (k % 4),
        d = points.map(([x, y]) => X(x).toFixed(1) + ' ' + Y(y).toFixed(1)).join('L');
      if (points.length > 1) make('path', { class: kind, d: 'M' + d }, null, svg);
      for (const [x, y] of points) {
        const dot = make('circle', { class: kind, cx: X(x), cy: Y(y), r: 3.5 }, null, svg);
        const words = `${chart.items[k].label}: ${format(y, '')} at ${format(x, chart.unit)}`;
        make('title', {}, words, dot);
      }
    });
  }
  const kinds = {
    bars: drawBars,
    waterfall: drawWaterfall,
    factors: (s, c) => drawWaterfall(s, c, true),
    spans: drawSpans,
    tornado: drawTornado,
    curve: drawCurve,
    lines: drawLines,
  };
  function drawAll() {
    for (const figure of document.querySelectorAll('[data-chart]')) {
      const chart = page.charts[figure.dataset.chart];
      kinds[chart.kind](figure.querySelector('svg'), chart);
    }
  }
  let drawing;
  function showLikely() {
    const nodes = [...document.querySelectorAll('[data-likely]')];
    if (!nodes.length) return;
    const ids = nodes.map((node) => node.dataset.likely),
      found = likely(lines, ids, inputs);
    nodes.forEach((node, i) => {
      const ends = (found[ids[i]] ?? []).map((end) => show(ids[i], end));
      node.textContent = ends[0] === ends[1] ? '' : ends.join(' to ');
    });
  }
  function refresh() {
    values = evaluate(lines, inputs);
    for (const node of document.querySelectorAll('[data-id]')) {
      const id = node.dataset.id,
        v = values[id];
      node.textContent = show(id, v);
      if (node.dataset.ends && isFinite(v)) {
        const ends = range(lines, id, inputs).map((end) => show(id, end));
        node.textContent = ends[0] === ends[1] ? ends[0] : ends.join(' to ');
      }
      if (node.dataset.range && isFinite(v)) {
        const [low, high] = range(lines, id, inputs);
        if (show(id, low) !== show(id, high)) {
          const small = document.createElement('small');
          small.textContent = ` (${show(id, low)} to ${show(id, high)})`;
          node.append(small);
        }
      }
      const moved = !(Object.is(v, first[id]) || (Number.isNaN(v) && Number.isNaN(first[id])));
      if (node.tagName === 'OUTPUT') node.parentElement.classList.toggle('moved', moved);
      else node.classList.toggle('changed', moved);
    }
    for (const node of document.querySelectorAll('[data-when]'))
      node.hidden = !(values[node.dataset.when] > 0);
    for (const node of document.querySelectorAll('[data-chance]')) {
      const words = chanceWords(chance(lines, node.dataset.chance, page.draws, inputs));
      node.dataset.was ??= node.textContent;
      node.classList.toggle('changed', words !== node.dataset.was);
      node.textContent = words;
    }
    clearTimeout(drawing);
    drawing = setTimeout(showLikely, 120);
    const n = Object.keys(inputs).length,
      words = document.getElementById('changed'),
      asked = document.getElementById('asked');
    if (asked) asked.hidden = !n;
    if (words)
      words.textContent = n ? `${n} changed by the reader: no longer the sources' figures` : '';
    drawAll();
  }
  for (const slider of document.querySelectorAll('[data-slider]'))
    slider.addEventListener('input', () => {
      inputs[slider.dataset.slider] = Number(slider.value);
      refresh();
    });
  document.getElementById('reset')?.addEventListener('click', () => {
    for (const key in inputs) delete inputs[key];
    for (const slider of document.querySelectorAll('[data-slider]'))
      slider.value = byId[slider.dataset.slider].value;
    refresh();
  });
  for (const panel of document.querySelectorAll('.sliders')) panel.hidden = false;
  function svgFile(svg) {
    const copy = svg.cloneNode(true),
      from = svg.querySelectorAll('*'),
      to = copy.querySelectorAll('*');
    from.forEach((node, i) => {
      const style = getComputedStyle(node);
      for (const key of [
        'fill',
        'stroke',
        'stroke-width',
        'stroke-dasharray',
        'paint-order',
        'font-size',
        'font-family',
      ])
        to[i].setAttribute(key, style.getPropertyValue(key));
    });
    copy.setAttribute('xmlns', NS);
    const [x, y, w, h] = svg.getAttribute('viewBox').split(' ');
    copy.setAttribute('width', w);
    copy.setAttribute('height', h);
    copy.prepend(
      make('rect', {
        x,
        y,
        width: w,
        height: h,
        fill: getComputedStyle(document.body).backgroundColor,
      }),
    );
    return new XMLSerializer().serializeToString(copy);
  }
  for (const button of document.querySelectorAll('.save'))
    button.addEventListener('click', () => {
      const figure = button.closest('figure'),
        link = document.createElement('a');
      link.href = URL.createObjectURL(
        new Blob([svgFile(figure.querySelector('svg'))], { type: 'image/svg+xml' }),
      );
      link.download =
        page.charts[figure.dataset.chart].heading.replace(/[^\w]+/g, '-').toLowerCase() + '.svg';
      link.click();
    });
  document.getElementById('cite').addEventListener('click', async (event) => {
    const q = document.querySelector('.cite q'),
      button = event.currentTarget;
    try {
      await navigator.clipboard.writeText(q.textContent);
      button.textContent = 'copied';
    } catch {
      const chosen = document.createRange();
      chosen.selectNodeContents(q);
      getSelection().removeAllRanges();
      getSelection().addRange(chosen);
      button.textContent = document.execCommand('copy') ? 'copied' : 'selected';
    }
  });
  let timer;
  addEventListener('resize', () => {
    clearTimeout(timer);
    timer = setTimeout(drawAll, 80);
  });
  // Paper cannot be clicked: what is folded opens for it.
  let folded = [];
  addEventListener('beforeprint', () => {
    folded = [...document.querySelectorAll('details:not([open])')];
    for (const d of folded) d.open = true;
  });
  addEventListener('afterprint', () => {
    for (const d of folded) d.open = false;
  });
  matchMedia('print').addEventListener('change', drawAll);
  document.addEventListener('toggle', drawAll, true);
  drawAll();
})();
)js";

}  // namespace farthing::money_parts
