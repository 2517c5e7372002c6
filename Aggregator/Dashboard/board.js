// The charts of one node: what is stored, and what comes live.

import { Anomalies } from '/anomalies.js';
import { Chart, colours } from '/chart.js';
import { ask, lines } from '/server.js';

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
export class Board {
  // `refused` is told when the server refuses the token.
  constructor(agent, minutes, findings, refused) {
    this.agent = agent;
    this.minutes = minutes;
    this.findings = findings;
    this.refused = refused;
    this.series = new Map(); // key → { labels, times, values }
    this.cores = 0;
    this.closed = false;
    this.anomalies = new Anomalies();
    this.element = document.getElementById('charts');
    this.charts = charts.map((spec) => new Chart(spec, this));
    this.element.replaceChildren(...this.charts.map((c) => c.element));
  }

  destroy() {
    this.closed = true;
    cancelAnimationFrame(this.frame);
    for (const chart of this.charts) chart.destroy();
    this.element.replaceChildren();
  }

  // What is stored already; live samples are merged in by time.
  async fill() {
    const start = Date.now() / 1000 - this.minutes * 60 - 70;
    const match = `{__name__=~"${metricNames.join('|')}",instance="${this.agent}"}`;
    try {
      const response = await ask(`/api/v1/export?start=${start.toFixed(3)}&match[]=${encodeURIComponent(match)}`);
      for await (const line of lines(response)) {
        if (this.closed) return;
        const entry = JSON.parse(line);
        if (entry.metric) this.merge(entry.metric, entry.timestamps, entry.values);
      }
    } catch (error) {
      if (error.status === 401) return this.refused(error.message);
    }
    this.draw();
    try {
      await this.anomalies.fill(this.agent, metricNames, this.minutes);
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

  recolour() {
    for (const chart of this.charts) chart.graph?.updateOptions(colours(chart.spec.lines.length));
  }

  draw() {
    if (this.frame || this.closed) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      if (!document.hidden) for (const chart of this.charts) chart.draw();
    });
  }
}
