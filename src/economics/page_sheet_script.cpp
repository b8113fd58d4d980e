// page_sheet_script.cpp - the script of a money page, first half: the sheet evaluated, formats.
#include "economics/page.h"

namespace farthing::money_parts {

// Mirrors formula.cpp and format_figure() of sheet.cpp; a test runs both and compares.
const char* const kSheetScript = R"js(
const farthingSheet = (() => {
  'use strict';
  const isNumber = (v) => typeof v === 'number' && isFinite(v);
  function apply(code, a) {
    switch (code) {
      case '+':
        return a[0] + a[1];
      case '-':
        return a[0] - a[1];
      case '*':
        return a[0] * a[1];
      case '/':
        return a[0] / a[1];
      case '^':
        return Math.pow(a[0], a[1]);
      case '~':
        return -a[0];
      case 'q':
        return Math.sqrt(a[0]);
      case 'e':
        return Math.exp(a[0]);
      case 'l':
        return Math.log(a[0]);
      case 'L':
        return Math.log10(a[0]);
      case 'a':
        return Math.abs(a[0]);
      case 'f':
        return Math.floor(a[0]);
      case 'c':
        return Math.ceil(a[0]);
      case '?':
        return Number.isNaN(a[0]) ? NaN : a[0] > 0 ? a[1] : a[2];
      case 'k':
        return isFinite(a[0]) ? a[0] : a[1];
      case 'm':
        return Math.min(...a);
      default:
        return Math.max(...a);
    }
  }
  function run(program, values) {
    const stack = [];
    for (const step of program) {
      if (typeof step === 'number') stack.push(step);
      else if (Array.isArray(step)) stack.push(values[step[0]]);
      else stack.push(apply(step[0], stack.splice(stack.length - Number(step.slice(1)))));
    }
    return stack[stack.length - 1];
  }
  // Sheet's read_off().
  function readOff(curve, x) {
    let before,
      exact = NaN;
    for (const [here, y] of curve) {
      if (Math.abs(here - x) <= 1e-9 * Math.abs(x)) exact = y;
      else if (here > x) {
        if (isFinite(exact)) return exact;
        if (!before || before[0] <= 0) return NaN;
        const share = Math.log(x / before[0]) / Math.log(here / before[0]);
        return before[1] + share * (y - before[1]);
      }
      before = [here, y];
    }
    return exact;
  }
  // Lines in an order in which every formula comes after what it uses -> {id: value}.
  function evaluate(lines, inputs = {}) {
    const values = Object.create(null);
    for (const line of lines) {
      values[line.id] =
        line.id in inputs
          ? inputs[line.id]
          : line.program
            ? line.curve
              ? readOff(line.curve, run(line.program, values))
              : run(line.program, values)
            : line.value === null
              ? NaN
              : line.value;
    }
    return values;
  }
  // The lines that some ids depend on, these included, in the same order.
  const known = new WeakMap();
  function partsOf(lines, ids) {
    if (!known.has(lines)) known.set(lines, new Map());
    const parts = known.get(lines),
      key = ids.join();
    if (!parts.has(key)) {
      const needed = new Set(ids);
      const found = [...lines].reverse().filter((line) => {
        if (!needed.has(line.id)) return false;
        for (const step of line.program ?? []) if (Array.isArray(step)) needed.add(step[0]);
        return true;
      });
      parts.set(key, found.reverse());
    }
    return parts.get(key);
  }
  // An input that the reader moved is his: it has no range, as with --set.
  const hasRange = (line, inputs) =>
    !line.program &&
    (line.low !== undefined || line.high !== undefined) &&
    (inputs[line.id] ?? line.value) === line.value;
  const ends = (line) => [line.low ?? line.value, line.high ?? line.value];
  function swings(lines, target, inputs = {}) {
    const out = [],
      parts = partsOf(lines, [target]);
    for (const line of parts) {
      if (!hasRange(line, inputs)) continue;
      const [low, high] = ends(line);
      const a = evaluate(parts, { ...inputs, [line.id]: low })[target];
      const b = evaluate(parts, { ...inputs, [line.id]: high })[target];
      if (a !== b)
        out.push({ id: line.id, label: line.label, low: a, high: b, ends: [low, high] });
    }
    return out.sort((p, q) => Math.abs(q.high - q.low) - Math.abs(p.high - p.low));
  }
  function range(lines, target, inputs = {}) {
    const lowest = { ...inputs },
      highest = { ...inputs };
    for (const s of swings(lines, target, inputs)) {
      const rises = s.low < s.high;
      lowest[s.id] = s.ends[rises ? 0 : 1];
      highest[s.id] = s.ends[rises ? 1 : 0];
    }
    const parts = partsOf(lines, [target]);
    return [evaluate(parts, lowest)[target], evaluate(parts, highest)[target]];
  }
  // Philox4x32-10, the program's own draws: uniform in [0, 1) of an index below 2 ** 32.
  function uniform(index) {
    let c = [index, 0, 3, 0],
      k = [20261101, 0];
    for (let round = 0; round < 10; ++round) {
      const a = 0xd2511f53n * BigInt(c[0]),
        b = 0xcd9e8d57n * BigInt(c[2]),
        top = (v) => Number(v >> 32n) >>> 0,
        low = (v) => Number(v & 0xffffffffn);
      c = [(top(b) ^ c[1] ^ k[0]) >>> 0, low(b), (top(a) ^ c[3] ^ k[1]) >>> 0, low(a)];
      k = [(k[0] + 0x9e3779b9) >>> 0, (k[1] + 0xbb67ae85) >>> 0];
    }
    return (c[1] * 2097152 + Math.floor(c[0] / 2048)) / 2 ** 53;
  }
  const drawn = [];
  function triangular(low, value, high, u) {
    if (!(high > low)) return value;
    const share = (value - low) / (high - low);
    return u < share
      ? low + Math.sqrt(u * (high - low) * (value - low))
      : high - Math.sqrt((1 - u) * (high - low) * (high - value));
  }
  // {id: [P10, P90]} of 1,000 draws, as likely_ranges() of scenario.cpp has it.
  function likely(lines, ids, inputs = {}) {
    const found = Object.fromEntries(ids.map((id) => [id, []])),
      open = lines.filter((line) => hasRange(line, inputs));
    for (let draw = 0, n = 0; draw < 1000; ++draw) {
      const now = { ...inputs };
      for (const line of open) {
        const [low, high] = ends(line);
        const u = (drawn[n] ??= uniform(n));
        now[line.id] = triangular(low, line.value, high, u);
        ++n;
      }
      const all = evaluate(partsOf(lines, ids), now);
      for (const id of ids) if (isFinite(all[id])) found[id].push(all[id]);
    }
    for (const id of ids) {
      const list = found[id].sort((a, b) => a - b),
        at = (share) => list[Math.floor((list.length * share) / 10)];
      found[id] = list.length < 900 ? undefined : [at(1), at(9)];
    }
    return found;
  }
  // Share of the draws, {ids, rows}, in which the line is above zero.
  function chance(lines, id, draws, inputs = {}) {
    const moved = new Set(draws.ids),
      parts = partsOf(lines, [id]),
      values = evaluate(parts, inputs),
      after = parts.filter((line) => {
        const follows = line.program?.some((step) => Array.isArray(step) && moved.has(step[0]));
        if (follows && !(line.id in inputs)) moved.add(line.id);
        return moved.has(line.id) && line.program;
      });
    let n = 0;
    for (const row of draws.rows) {
      draws.ids.forEach((name, i) => (values[name] = row[i]));
      for (const line of after) values[line.id] = run(line.program, values);
      if (values[id] > 0) ++n;
    }
    return n / draws.rows.length;
  }
  // Of draws: none of them is certainty.
  function chanceWords(share) {
    if (share > 0.995) return 'over 99 %';
    if (share < 0.005) return 'under 1 %';
    return commas(100 * share) + ' %';
  }
  // To p digits, an exact tie to the even one, as the program prints it.
  const even = (v, p) => {
    const m = Math.abs(v).toExponential(60).replace('.', '');
    const tie = /^50*e/.test(m.slice(p)) && /[02468]/.test(m[p - 1]);
    const down = Number(m[0] + '.' + m.slice(1, p) + m.slice(m.indexOf('e')));
    return tie ? Math.sign(v) * down : Number(v.toPrecision(p));
  };
  const four = (v) => {
    const t = even(v, 4);
    return Math.abs(t) < 1e-4 && t !== 0
      ? t.toExponential().replace(/e([+-])(\d)$/, 'e$10$2')
      : String(t);
  };
  function commas(v) {
    let r = Math.round(Math.abs(v));
    if (Math.abs((Math.abs(v) % 1) - 0.5) < 1e-12 && r % 2) r -= 1;
    return (v < 0 ? '-' : '') + String(r).replace(/\B(?=(\d{3})+$)/g, ',');
  }
  function scaled(v) {
    const s = Math.abs(v);
    if (s >= 1e16)
      return Number(v.toPrecision(3))
        .toExponential()
        .replace(/e\+(\d)$/, 'e+0$1');
    if (s >= 999.95e9) return four(v / 1e12) + 'T';
    if (s >= 999.95e6) return four(v / 1e9) + 'B';
    if (s >= 999.95e3) return four(v / 1e6) + 'M';
    return s >= 9999.5 ? commas(v) : four(v);
  }
  function dollars(v) {
    if (!isNumber(v)) return Math.abs(v) === Infinity ? 'without limit' : 'not stated';
    const s = Math.abs(v),
      sign = v < 0 ? '-$' : '$';
    if (s >= 999.95e3) return sign + scaled(s);
    if (s >= 999.995) return sign + commas(s);
    if (s >= 0.9995) return sign + s.toFixed(2);
    if (s === 0) return '$0';
    const t = Number(s.toPrecision(3));
    if (t < 1e-4 && t >= 1e-9)
      return sign + t.toFixed(2 - Math.floor(Math.log10(t))).replace(/0+$/, '');
    return sign + (t < 1e-9 ? t.toExponential().replace(/e-(\d)$/, 'e-0$1') : String(t).padEnd(4, '0'));
  }
  function format(v, unit) {
    if (!isNumber(v)) return dollars(v);
    if (unit === 'USD') return dollars(v);
    if (unit.startsWith('USD/')) return dollars(v) + unit.slice(3);
    if (unit === 'x') return scaled(v) + 'x';
    if (unit === 'share') return scaled(v * 100) + ' %';
    if (unit === 'bits/byte') return v.toFixed(4);
    return scaled(v) + (unit ? ' ' + unit : '');
  }
  return { evaluate, partsOf, swings, range, likely, chance, chanceWords, format };
})();
if (typeof module !== 'undefined') module.exports = farthingSheet;
)js";

}  // namespace farthing::money_parts
