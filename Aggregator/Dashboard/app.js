// The live page: fleet, one node's moving charts, ledger. No build step, no framework.
// Everything from the server is put in with textContent, never as markup.

import { Anomalies } from '/anomalies.js';
import { Findings } from '/findings.js';
import { bytes, clock, count, duration, patch, put, show } from '/text.js';

const tokenKey = 'stagebox.token';
const tenantKey = 'stagebox.tenant';
const $ = (id) => document.getElementById(id);
const state = {
  token: sessionStorage.getItem(tokenKey) ?? '',
  tenant: sessionStorage.getItem(tenantKey) ?? '',
  fleet: [],
  agent: null,
  minutes: 15,
  stream: null, // AbortController of the open stream
  board: null, // the chosen node's Board
};

// ---------------------------------------------------------------- server

class Refused extends Error {
  constructor(status, detail) { super(detail); this.status = status; }
}

async function ask(path, options = {}) {
  const url = new URL(path, location.origin);
  if (state.tenant) url.searchParams.set('tenant', state.tenant);
  const response = await fetch(url, {
    ...options, cache: 'no-store', headers: { Authorization: `Bearer ${state.token}`, ...options.headers },
  });
  if (response.ok) return response;
  let detail = `${response.status} ${response.statusText}`;
  try { detail = (await response.json()).detail ?? detail; } catch { /* no problem details: the status says it */ }
  throw new Refused(response.status, detail);
}

// Lines of a streamed body, as they come.
async function* lines(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    rest += value;
    const parts = rest.split('\n');
    rest = parts.pop();
    yield* parts;
  }
  if (rest) yield rest;
}

// ---------------------------------------------------------------- signing in

function showSignIn(message = '') {
  state.stream?.abort();
  state.stream = null;
  $('board').hidden = true;
  $('sign-out').hidden = true;
  $('sign-in').hidden = false;
  $('sign-in-error').textContent = message;
  connection('off', 'not connected');
  $('token').focus();
}

$('sign-in-form').addEventListener('submit', async (event) => {
  event.preventDefault();
  state.token = $('token').value.trim();
  state.tenant = $('tenant-name').value.trim();
  await start();
});

$('sign-out').addEventListener('click', () => {
  sessionStorage.clear();
  state.token = '';
  state.tenant = '';
  state.fleet = [];
  choose(null);
  $('token').value = '';
  showSignIn();
});

async function start() {
  try {
    const answer = await (await ask('/api/v1/agents')).json();
    sessionStorage.setItem(tokenKey, state.token);
    sessionStorage.setItem(tenantKey, state.tenant);
    $('tenant').textContent = answer.tenant;
    $('sign-in').hidden = true;
    $('board').hidden = false;
    $('sign-out').hidden = false;
    showFleet(answer.agents);
    const wanted = decodeURIComponent(location.hash.slice(1));
    const first = state.fleet.find((a) => a.agent === wanted) ?? state.fleet.find((a) => a.state === 'online') ?? state.fleet[0];
    choose(first?.agent ?? null);
    refreshLedger();
    refreshFindings();
  } catch (error) {
    if (error.status === 400 && !state.tenant) {
      $('tenant-name').hidden = $('tenant-label').hidden = false;
      showSignIn('This token spans the installation: name a tenant.');
      $('tenant-name').focus();
    } else {
      showSignIn(error.status ? error.message : 'The server cannot be reached.');
    }
  }
}

// ---------------------------------------------------------------- live stream

function connection(kind, text) {
  const line = $('connection');
  if (line.dataset.state === kind && line.textContent === text) return;
  line.dataset.state = kind;
  line.textContent = text;
}

// Server-sent events over fetch, so that the token travels in a header and never in a URL.
async function follow() {
  state.stream?.abort();
  const mine = (state.stream = new AbortController());
  let delay = 500;
  while (!mine.signal.aborted) {
    connection('wait', 'connecting');
    // A connection that says nothing for ten seconds is dead: the server speaks every two.
    let watchdog;
    const attempt = new AbortController();
    const stop = () => attempt.abort();
    mine.signal.addEventListener('abort', stop);
    const alive = () => { clearTimeout(watchdog); watchdog = setTimeout(stop, 10_000); };
    try {
      alive();
      const query = state.agent ? `?agent=${encodeURIComponent(state.agent)}` : '';
      const response = await ask(`/api/v1/live/stream${query}`, { signal: attempt.signal });
      connection('live', 'live');
      let name = '';
      for await (const line of lines(response)) {
        alive();
        delay = 500;
        if (line.startsWith('event: ')) name = line.slice(7);
        else if (line.startsWith('data: ')) receive(name, JSON.parse(line.slice(6)));
      }
    } catch (error) {
      if (mine.signal.aborted) return;
      if (error.status === 401 || error.status === 403) return showSignIn(error.message);
    } finally {
      clearTimeout(watchdog);
      mine.signal.removeEventListener('abort', stop);
      attempt.abort();
    }
    if (mine.signal.aborted) return;
    connection('lost', `connection lost, trying again in ${Math.ceil(delay / 1000)} s`);
    await new Promise((done) => setTimeout(done, delay * (0.75 + Math.random() / 2)));
    delay = Math.min(delay * 2, 15_000);
    state.board?.fill();
  }
}

function receive(name, data) {
  if (name === 'fleet') showFleet(data);
  if (name === 'samples' && data.agent === state.agent) state.board?.add(data.series);
}

// ---------------------------------------------------------------- fleet

const order = ['online', 'stale', 'offline', 'new'];

function showFleet(agents) {
  state.fleet = agents;
  $('fleet-empty').hidden = agents.length > 0;
  $('fleet').parentElement.hidden = agents.length === 0;
  const counts = order.map((s) => [s, agents.filter((a) => a.state === s).length]).filter(([, n]) => n > 0);
  $('fleet-summary').replaceChildren(...counts.map(([s, n]) => {
    const item = document.createElement('li');
    item.dataset.s = s;
    item.textContent = `${n} ${s}`;
    return item;
  }));
  const wanted = $('filter').value.trim().toLowerCase();
  const shown = agents.filter((a) => `${a.agent} ${a.state} ${a.region} ${a.site} ${a.job}`.toLowerCase().includes(wanted));
  patch($('fleet').tBodies[0], shown, (a) => a.agent, fleetRow);
  noteNode();
}

function fleetRow(row, agent) {
  if (!row.cells.length) {
    const head = document.createElement('th');
    head.scope = 'row';
    const button = document.createElement('button');
    button.type = 'button';
    head.append(button);
    row.append(head);
    for (let i = 0; i < 7; i += 1) row.append(document.createElement('td'));
    row.cells[1].append(document.createElement('span'));
    for (const i of [2, 3, 4, 5]) row.cells[i].className = 'n';
    row.addEventListener('click', () => choose(row.dataset.key));
  }
  row.setAttribute('aria-selected', agent.agent === state.agent);
  put(row.cells[0].firstChild, agent.agent);
  const mark = row.cells[1].firstChild;
  mark.className = 'state';
  mark.dataset.s = agent.state;
  put(mark, agent.state);
  put(row.cells[2], agent.lag_ms === null ? '–' : duration(agent.lag_ms), agent.lag_ms > 60_000 ? 'n warn' : 'n');
  put(row.cells[3], bytes(agent.buffer_bytes));
  put(row.cells[4], count(agent.pending_batches));
  const skew = agent.clock_skew_ms;
  put(row.cells[5], skew === null ? '–' : `${skew > 0 ? '+' : skew < 0 ? '−' : ''}${duration(Math.abs(skew))}${agent.clock_synchronized ? '' : ' ⚠'}`,
    skew !== null && (Math.abs(skew) > 5000 || !agent.clock_synchronized) ? 'n warn' : 'n');
  row.cells[5].title = agent.clock_synchronized ? 'clock synchronised' : 'clock not synchronised';
  put(row.cells[6], agent.version || '–');
  put(row.cells[7], [agent.region, agent.site].filter(Boolean).join(' / ') || '–');
}

$('filter').addEventListener('input', () => showFleet(state.fleet));

// ---------------------------------------------------------------- ledger

let ledgerTimer;
async function refreshLedger() {
  clearTimeout(ledgerTimer);
  if (!state.token || $('board').hidden) return;
  try {
    showLedger(await (await ask('/api/v1/ledger')).json());
  } catch (error) {
    if (error.status === 401) return;
    const verdict = $('ledger-verdict');
    verdict.className = 'verdict';
    put(verdict, 'not known right now');
  }
  ledgerTimer = setTimeout(refreshLedger, document.hidden ? 30_000 : 5000);
}

const findings = new Findings();
let findingsTimer;
async function refreshFindings() {
  clearTimeout(findingsTimer);
  if (!state.token || $('board').hidden) return;
  try {
    findings.show((await (await ask('/api/v1/findings?limit=100')).json()).findings, choose);
  } catch (error) {
    if (error.status === 401) return;
    put($('findings-verdict'), 'not known right now');
  }
  findingsTimer = setTimeout(refreshFindings, document.hidden ? 30_000 : 5000);
}

function showLedger(ledger) {
  const verdict = $('ledger-verdict');
  const total = ledger.lanes.reduce((sum, lane) => sum + lane.committed.records, 0);
  verdict.className = ledger.balanced ? 'verdict good' : 'verdict bad';
  put(verdict, !ledger.lanes.length ? 'nothing yet' : ledger.balanced
    ? `✓ balanced, ${count(total)} records committed`
    : `✗ ${ledger.unbalanced_lanes} of ${ledger.lanes.length} lanes do not balance`);
  const sorted = [...ledger.lanes].sort((a, b) => a.balanced - b.balanced || a.agent.localeCompare(b.agent));
  patch($('ledger').tBodies[0], sorted.slice(0, 200), (l) => `${l.agent}/${l.epoch}/${l.lane}`, (row, lane) => {
    if (!row.cells.length) {
      const head = document.createElement('th');
      head.scope = 'row';
      row.append(head);
      for (let i = 0; i < 7; i += 1) row.append(document.createElement('td'));
    }
    const sum = (group) => Object.values(group).reduce((s, c) => s + c.records, 0);
    const reasons = (group) => Object.entries(group).map(([why, c]) => `${why}: ${c.records} records in ${c.batches} batches`).join('\n');
    put(row.cells[0], lane.agent);
    row.cells[0].title = `epoch ${lane.epoch}`;
    put(row.cells[1], lane.lane);
    put(row.cells[2], count(lane.produced.records), 'n');
    put(row.cells[3], count(lane.committed.records), 'n');
    put(row.cells[4], count(lane.pending.records), 'n');
    put(row.cells[5], count(sum(lane.rejected)), sum(lane.rejected) ? 'n warn' : 'n');
    put(row.cells[6], count(sum(lane.dropped)), sum(lane.dropped) ? 'n warn' : 'n');
    put(row.cells[7], lane.balanced ? '0' : `${count(lane.missing.records)} (${lane.missing.batches} batches)`, lane.balanced ? 'n' : 'n bad');
    row.cells[5].title = reasons(lane.rejected);
    row.cells[6].title = reasons(lane.dropped);
  });
}

// ---------------------------------------------------------------- one node

function choose(agent) {
  if (agent === state.agent && agent !== null && state.stream) return;
  state.agent = agent;
  state.board?.destroy();
  state.board = null;
  $('node').hidden = agent === null;
  if (agent !== null) {
    history.replaceState(null, '', `#${encodeURIComponent(agent)}`);
    $('node-title').textContent = agent;
    state.board = new Board(agent);
    state.board.fill();
  }
  showFleet(state.fleet);
  if (state.token) follow();
}

function noteNode() {
  const agent = state.fleet.find((a) => a.agent === state.agent);
  if (!agent) return;
  const parts = [agent.state, agent.job, agent.region, agent.site].filter(Boolean);
  if (agent.clone_suspected) parts.push('a clone of this node seems to run');
  put($('node-note'), parts.join(' · '));
}

for (const button of document.querySelectorAll('[data-minutes]')) {
  button.addEventListener('click', () => {
    for (const other of document.querySelectorAll('[data-minutes]')) other.setAttribute('aria-pressed', other === button);
    state.minutes = Number(button.dataset.minutes);
    state.board?.fill();
  });
}

// What the charts show. `rate` turns counters into per-second values; `group` names the line that a series adds to.
const charts = [
  {
    title: 'Processor', unit: 'percent', range: [0, 100], stacked: true, lines: ['user', 'system', 'waiting', 'other'],
    metrics: ['node_cpu_seconds_total'], rate: true,
    group: ({ mode }) => ({ idle: null, user: 'user', nice: 'user', system: 'system', iowait: 'waiting' }[mode] ?? (mode === 'idle' ? null : 'other')),
    // Per core and second there is one second to spend.
    scale: (board) => 100 / Math.max(1, board.cores),
  },
  {
    title: 'Memory in use', unit: 'bytes', zero: true, lines: ['used'],
    metrics: ['node_memory_MemTotal_bytes', 'node_memory_MemAvailable_bytes'],
    group: () => 'used', sign: ({ __name__ }) => (__name__.includes('MemTotal') ? 1 : -1), complete: 2,
  },
  {
    title: 'Network', unit: 'bits/s', zero: true, lines: ['in', 'out'], rate: true,
    metrics: ['node_network_receive_bytes_total', 'node_network_transmit_bytes_total'],
    group: ({ __name__, device }) => (device === 'lo' ? null : __name__.includes('receive') ? 'in' : 'out'), scale: () => 8,
  },
  {
    title: 'Listeners', unit: 'count', zero: true, lines: ['listening now'],
    metrics: ['stagebox_stream_concurrent_listeners'], group: () => 'listening now',
  },
  {
    title: 'Plays per minute', unit: 'count', zero: true, lines: ['plays', 'skips'], rate: true, smooth: 60,
    metrics: ['stagebox_stream_plays_total', 'stagebox_stream_skips_total'],
    group: ({ __name__ }) => (__name__.includes('skips') ? 'skips' : 'plays'), scale: () => 60,
  },
];
const metricNames = [...new Set(charts.flatMap((c) => c.metrics))];

// Samples of one node, and a chart for each entry above.
class Board {
  constructor(agent) {
    this.agent = agent;
    this.series = new Map(); // key → { labels, times, values }
    this.cores = 0;
    this.closed = false;
    this.anomalies = new Anomalies();
    this.charts = charts.map((spec) => new Chart(spec, this));
    $('charts').replaceChildren(...this.charts.map((c) => c.element));
  }

  destroy() {
    this.closed = true;
    cancelAnimationFrame(this.frame);
    for (const chart of this.charts) chart.destroy();
    $('charts').replaceChildren();
  }

  // What is stored already; live samples are merged in by time.
  async fill() {
    const start = Date.now() / 1000 - state.minutes * 60 - 70;
    const match = `{__name__=~"${metricNames.join('|')}",instance="${this.agent}"}`;
    try {
      const response = await ask(`/api/v1/export?start=${start.toFixed(3)}&match[]=${encodeURIComponent(match)}`);
      for await (const line of lines(response)) {
        if (this.closed) return;
        const entry = JSON.parse(line);
        if (entry.metric) this.merge(entry.metric, entry.timestamps, entry.values);
      }
    } catch (error) {
      if (error.status === 401) return showSignIn(error.message);
    }
    this.draw();
    try {
      await this.anomalies.fill(ask, this.agent, metricNames, state.minutes);
    } catch { return; } // marks are an extra: the next fill asks again
    this.draw();
  }

  add(series) {
    this.anomalies.live(series);
    for (const [labels, samples] of series) this.merge(labels, samples.map((s) => s[0]), samples.map((s) => s[1]));
    this.draw();
  }

  merge(labels, times, values) {
    const key = JSON.stringify(labels);
    const known = this.series.get(key);
    if (!known) {
      this.series.set(key, { labels, times: [...times], values: values.map(Number) });
      if (labels.__name__ === 'node_cpu_seconds_total') {
        this.cores = new Set([...this.series.values()].map((s) => s.labels.cpu).filter((cpu) => cpu !== undefined)).size;
      }
      return;
    }
    const last = known.times.at(-1);
    if (times[0] > last) {
      known.times.push(...times);
      known.values.push(...values.map(Number));
    } else {
      const all = new Map(known.times.map((t, i) => [t, known.values[i]]));
      times.forEach((t, i) => all.set(t, Number(values[i])));
      known.times = [...all.keys()].sort((a, b) => a - b);
      known.values = known.times.map((t) => all.get(t));
    }
    // An hour and a little is all that is ever shown.
    const old = known.times.findIndex((t) => t > Date.now() - 62 * 60_000);
    if (old > 600) {
      known.times.splice(0, old);
      known.values.splice(0, old);
    }
  }

  draw() {
    if (this.frame || this.closed) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      if (!document.hidden) for (const chart of this.charts) chart.draw();
    });
  }
}

class Chart {
  constructor(spec, board) {
    this.spec = spec;
    this.board = board;
    this.element = document.createElement('figure');
    this.element.className = 'chart';
    this.element.style.margin = 0;
    const top = document.createElement('figcaption');
    top.className = 'top';
    const title = document.createElement('h3');
    title.textContent = spec.title;
    this.now = document.createElement('span');
    this.now.className = 'now';
    const legend = document.createElement('ul');
    legend.className = 'legend';
    if (spec.lines.length > 1) {
      legend.append(...spec.lines.map((name) => {
        const item = document.createElement('li');
        item.textContent = name;
        return item;
      }));
    }
    top.append(title, legend, this.now);
    this.plot = document.createElement('div');
    this.plot.className = 'plot empty-plot';
    this.plot.textContent = 'no samples yet';
    this.plot.setAttribute('role', 'img');
    this.element.append(top, this.plot);
  }

  destroy() { this.graph?.destroy(); }

  // One row per second: [Date, line…]; sums over the series of a line.
  rows() {
    const { spec, board } = this;
    const step = state.minutes > 15 ? 5000 : 1000;
    const from = Date.now() - state.minutes * 60_000;
    const table = new Map();
    const scale = spec.scale?.(board) ?? 1;
    for (const { labels, times, values } of board.series.values()) {
      if (!spec.metrics.includes(labels.__name__)) continue;
      const line = spec.lines.indexOf(spec.group(labels));
      if (line < 0) continue;
      const sign = spec.sign?.(labels) ?? 1;
      const seen = new Set();
      let back = 0;
      for (let i = 0; i < times.length; i += 1) {
        if (times[i] < from) { continue; }
        let value = values[i];
        if (spec.rate) {
          // Over the smoothing window, or since the sample before; a counter that fell has started anew.
          back = Math.max(back, 0);
          const window = (spec.smooth ?? 0) * 1000;
          while (back + 1 < i && times[back + 1] <= times[i] - Math.max(window, 1)) back += 1;
          const before = window ? back : i - 1;
          if (before < 0 || before >= i) continue;
          const elapsed = (times[i] - times[before]) / 1000;
          const grown = value - values[before];
          if (elapsed <= 0 || (elapsed > 90 && !window)) continue;
          value = (grown >= 0 ? grown : value) / elapsed;
        }
        const slot = Math.floor(times[i] / step) * step;
        if (seen.has(slot)) continue;
        seen.add(slot);
        let row = table.get(slot);
        if (!row) table.set(slot, (row = { sums: new Array(spec.lines.length).fill(null), parts: 0 }));
        row.sums[line] = (row.sums[line] ?? 0) + sign * value * scale;
        row.parts += 1;
      }
    }
    const slots = [...table.keys()].sort((a, b) => a - b);
    const result = [];
    let last = null;
    for (const slot of slots) {
      const row = table.get(slot);
      if (spec.complete && row.parts < spec.complete) continue;
      // A hole in the data is a hole in the line.
      if (last !== null && slot - last > 30_000) result.push([new Date(last + 1), ...spec.lines.map(() => null)]);
      result.push([new Date(slot), ...row.sums.map((v) => (v === null && spec.stacked ? 0 : v))]);
      last = slot;
    }
    return result;
  }

  draw() {
    const rows = this.rows();
    if (!rows.length || !globalThis.Dygraph) {
      this.graph?.destroy();
      this.graph = null;
      this.plot.classList.add('empty-plot');
      this.plot.textContent = globalThis.Dygraph ? 'no samples yet' : 'charts need the package libjs-dygraphs on the server';
      this.now.textContent = '';
      return;
    }
    const { spec } = this;
    const format = (v) => show(v, spec.unit);
    const last = rows.at(-1).slice(1);
    const text = spec.stacked ? format(last.reduce((a, b) => a + (b ?? 0), 0)) : last.map((v) => (v === null ? '–' : format(v))).join(' / ');
    put(this.now, text);
    this.plot.setAttribute('aria-label', `${spec.title}: now ${text}`);
    const window = [Date.now() - state.minutes * 60_000, Date.now()];
    const top = spec.range?.[1] ?? this.top(rows);
    if (this.graph) {
      this.graph.updateOptions({ file: rows, dateWindow: window, valueRange: [0, top] });
      return;
    }
    this.plot.classList.remove('empty-plot');
    this.plot.textContent = '';
    const { agent, anomalies } = this.board;
    const style = getComputedStyle(document.documentElement);
    const [shade, mark] = ['--finding', '--anomaly'].map((name) => style.getPropertyValue(name).trim());
    const { fillPlotter, errorPlotter, linePlotter } = globalThis.Dygraph.Plotters;
    this.graph = new globalThis.Dygraph(this.plot, rows, {
      underlayCallback: (canvas, area, graph) => findings.shade(agent, shade, canvas, area, graph),
      // The marks last, over the lines.
      plotter: [fillPlotter, errorPlotter, linePlotter, (e) => {
        if (e.seriesIndex === 0) anomalies.draw(spec.metrics, mark, e.drawingContext, e.plotArea, e.dygraph);
      }],
      ...colours(spec.lines.length), labels: ['time', ...spec.lines], legend: 'never', dateWindow: window, valueRange: [0, top],
      stackedGraph: spec.stacked ?? false, fillGraph: true, fillAlpha: spec.stacked ? 0.35 : 0.12, strokeWidth: 1.6,
      drawGapEdgePoints: true, labelsKMG2: spec.unit === 'bytes', connectSeparatedPoints: false, interactionModel: {}, highlightCircleSize: 3,
      axes: { y: { axisLabelFormatter: format, axisLabelWidth: 70, pixelsPerLabel: 34 }, x: { pixelsPerLabel: 70, axisLabelFormatter: clock } },
    });
  }

  // A steady upper end, so that the scale does not jump with every sample.
  top(rows) {
    const highest = Math.max(...rows.flatMap((r) => r.slice(1)).filter((v) => v !== null), 0);
    if (highest <= 0) return 1;
    const magnitude = this.spec.unit === 'bytes' ? 1024 ** Math.floor(Math.log(highest) / Math.log(1024)) : 10 ** Math.floor(Math.log10(highest));
    const step = [1.2, 2, 4, 6, 8, 10, 16, 32, 64, 128, 256, 512, 1024].find((s) => s * magnitude >= highest * 1.08) ?? 2000;
    return step * magnitude;
  }
}

function colours(lines) {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  return {
    colors: ['--s1', '--s2', '--s3', '--s4'].slice(0, lines).map(colour), gridLineColor: colour('--grid'),
    axisLineColor: colour('--line'),
  };
}

matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
  for (const chart of state.board?.charts ?? []) chart.graph?.updateOptions(colours(chart.spec.lines.length));
});

// The time moves even when no sample comes.
setInterval(() => state.board?.draw(), 1000);
document.addEventListener('visibilitychange', () => { if (!document.hidden) { state.board?.draw(); refreshLedger(); refreshFindings(); } });

if (state.token) start(); else showSignIn();
