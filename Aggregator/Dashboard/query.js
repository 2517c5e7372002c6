// PromQL asked on the page: a chart and a table. What was asked stands in the address, so that it can be passed on.

import { fit } from '/chart.js';
import { ask } from '/server.js';
import { clock, count, put } from '/text.js';

const $ = (id) => document.getElementById(id);
const seriesMax = 500; // that the server is asked for
const linesMax = 30; // of the chart
const rowsMax = 200; // of the table
const namesMax = 5000; // suggested
const ranges = { '': [0, 0], '1h': [3600, 15], '6h': [21_600, 60], '1d': [86_400, 300], '7d': [604_800, 1800] }; // seconds, step

export class Query {
  constructor() {
    this.number = 0;
    this.range = '';
    this.shown = null; // the time asked about, if there is a range
    $('query-form').addEventListener('submit', (event) => { event.preventDefault(); this.run(); });
    fit($('query-plot'), () => this.graph);
    $('expression').addEventListener('focus', () => this.suggest(), { once: true });
    for (const button of document.querySelectorAll('[data-range]')) {
      button.addEventListener('click', () => {
        this.choose(button.dataset.range);
        if ($('expression').value.trim()) this.run();
      });
    }
  }

  // What the address asks.
  open() {
    const wanted = new URLSearchParams(location.search);
    if (!wanted.get('query')) return;
    $('expression').value = wanted.get('query');
    this.choose(wanted.get('range') in ranges ? wanted.get('range') : '');
    this.run();
  }

  clear() {
    this.number += 1;
    $('expression').value = '';
    $('metric-names').replaceChildren();
    this.show({ resultType: 'vector', result: [] }, '');
    history.replaceState(null, '', location.pathname + location.hash);
  }

  choose(range) {
    this.range = range;
    for (const button of document.querySelectorAll('[data-range]')) button.setAttribute('aria-pressed', button.dataset.range === range);
  }

  async suggest() {
    try {
      const names = (await (await ask(`/api/v1/label/__name__/values?limit=${namesMax}`)).json()).data;
      $('metric-names').replaceChildren(...names.map((name) => {
        const option = document.createElement('option');
        option.value = name;
        return option;
      }));
    } catch { /* it goes without */ }
  }

  async run() {
    const expression = $('expression').value.trim();
    const mine = (this.number += 1);
    const [seconds, step] = ranges[this.range];
    const end = step ? Math.ceil(Date.now() / 1000 / step) * step : Date.now() / 1000;
    const asked = new URLSearchParams({ query: expression, ...(this.range && { range: this.range }) });
    history.replaceState(null, '', `?${asked}${location.hash}`);
    const parameters = new URLSearchParams({ query: expression, limit: seriesMax });
    if (step) for (const [name, value] of Object.entries({ start: end - seconds, end, step })) parameters.set(name, value);
    else parameters.set('time', end.toFixed(3));
    put($('query-verdict'), 'asking …');
    const begun = performance.now();
    try {
      const answer = await (await ask(`/api/v1/${step ? 'query_range' : 'query'}?${parameters}`)).json();
      if (mine !== this.number) return;
      const total = answer.data.resultType === 'scalar' || answer.data.resultType === 'string' ? 1 : answer.data.result.length;
      this.shown = step ? [(end - seconds) * 1000, end * 1000] : null;
      this.show(answer.data, `${total ? count(total) : 'no'} series in ${Math.round(performance.now() - begun)} ms`, [...answer.warnings ?? [], ...answer.infos ?? []]);
    } catch (error) {
      if (mine !== this.number) return;
      this.show({ resultType: 'vector', result: [] }, '');
      $('query-error').hidden = false;
      put($('query-error'), error.status ? placed(error.message, expression) : 'The server cannot be reached.');
    }
  }

  // An answer's data in Prometheus' form.
  show({ resultType, result }, verdict, notes = []) {
    put($('query-verdict'), verdict);
    $('query-error').hidden = true;
    $('query-notes').hidden = !notes.length;
    $('query-notes').replaceChildren(...notes.map((note) => {
      const item = document.createElement('li');
      item.textContent = note;
      return item;
    }));
    this.graph?.destroy();
    this.graph = null;
    const isMatrix = resultType === 'matrix';
    $('query-plot').hidden = !isMatrix || !result.length || !globalThis.Dygraph;
    if (!$('query-plot').hidden) this.draw(result.slice(0, linesMax));
    if (resultType === 'scalar' || resultType === 'string') result = [{ metric: {}, value: result }];
    table(result.slice(0, rowsMax), isMatrix);
    if (result.length > rowsMax) put($('query-verdict'), `${verdict}, of which ${rowsMax} are shown`);
    if (isMatrix && result.length > linesMax) put($('query-verdict'), `${verdict}, of which the first ${linesMax} are drawn`);
  }

  draw(series) {
    const times = [...new Set(series.flatMap(({ values }) => values.map(([time]) => time)))].sort((a, b) => a - b);
    const place = new Map(times.map((time, index) => [time, index]));
    const rows = times.map((time) => [new Date(time * 1000), ...series.map(() => null)]);
    series.forEach(({ values }, line) => {
      for (const [time, value] of values) if (Number.isFinite(Number(value))) rows[place.get(time)][line + 1] = Number(value);
    });
    const style = getComputedStyle(document.documentElement);
    const shown = this.shown ?? [times[0] * 1000, times.at(-1) * 1000 + 1];
    const isLong = shown[1] - shown[0] > 100_000_000;
    $('query-plot').setAttribute('aria-label', `${series.length} series over time; the table has their values`);
    this.graph = new globalThis.Dygraph($('query-plot'), rows, {
      labels: ['time', ...series.map((_, line) => `series ${line + 1}`)], colors: series.map((_, line) => colour(line)),
      legend: 'never', dateWindow: shown, strokeWidth: 1.6, interactionModel: {}, highlightCircleSize: 3, drawGapEdgePoints: true, connectSeparatedPoints: false,
      gridLineColor: style.getPropertyValue('--grid').trim(), axisLineColor: style.getPropertyValue('--line').trim(),
      axes: {
        y: { axisLabelWidth: 70, pixelsPerLabel: 34, axisLabelFormatter: short },
        x: { pixelsPerLabel: 80, ...(isLong ? {} : { axisLabelFormatter: clock }) },
      },
    });
  }
}

function table(series, isMatrix) {
  $('answer-table').hidden = !series.length;
  const names = [...new Set(series.flatMap(({ metric }) => Object.keys(metric)))].sort((a, b) => (b === '__name__') - (a === '__name__') || a.localeCompare(b));
  const numbers = isMatrix ? ['Last', 'Lowest', 'Highest'] : ['Value'];
  $('answer').tHead.rows[0].replaceChildren(...[...names.map((name) => (name === '__name__' ? 'Metric' : name)), ...numbers].map((text, index) => {
    const head = document.createElement('th');
    head.scope = 'col';
    head.textContent = text;
    if (index >= names.length) head.className = 'n';
    return head;
  }));
  $('answer').tBodies[0].replaceChildren(...series.map(({ metric, value, values }, line) => {
    const row = document.createElement('tr');
    const known = values?.map(([, text]) => Number(text)).filter((number) => !Number.isNaN(number)) ?? [];
    const cells = !isMatrix ? [exact(value[1])] : [Number(values.at(-1)[1]), ...(known.length ? [Math.min(...known), Math.max(...known)] : ['–', '–'])];
    for (const text of names.map((name) => metric[name] ?? '')) row.insertCell().textContent = text;
    for (const text of cells) {
      const cell = row.insertCell();
      cell.className = 'n';
      cell.textContent = typeof text === 'string' ? text : short(text);
      cell.title = isMatrix ? String(text) : value[1];
    }
    if (isMatrix && line < linesMax) {
      const swatch = document.createElement('span');
      swatch.className = 'swatch';
      swatch.style.background = colour(line);
      row.cells[0].prepend(swatch);
    }
    return row;
  }));
}

// An error that names line and column, with a mark at its place.
function placed(message, expression) {
  const [, line, column] = /^(?:.*: )?(\d+):(\d+): /.exec(message) ?? [];
  if (!line || Number(line) !== 1) return message;
  return `${message}\n${expression}\n${' '.repeat(Number(column) - 1)}^`;
}

// Hues far apart, however many.
function colour(line) { return line < 4 ? getComputedStyle(document.documentElement).getPropertyValue(`--s${line + 1}`).trim() : `hsl(${Math.round(line * 137.5) % 360} 50% 50%)`; }

// Of a single value as many digits as anybody reads; the cell's title has all of them.
function exact(text) { return text.length > 12 && Number.isFinite(Number(text)) ? String(Number(Number(text).toPrecision(8))) : text; }

function short(value) {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size && (size >= 1e15 || size < 1e-4)) return value.toExponential(2);
  for (const [unit, base] of [['T', 1e12], ['G', 1e9], ['M', 1e6], ['k', 1e3]]) if (size >= base) return `${Number((value / base).toPrecision(4))} ${unit}`;
  return String(Number(value.toPrecision(4)));
}
