// One moving chart of a node.

import { clock, put, show } from '/text.js';

export class Chart {
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
    this.watch = fit(this.plot, () => this.graph);
  }

  destroy() {
    this.watch.disconnect();
    this.graph?.destroy();
  }

  // One row per second: [Date, line…]; sums over the series of a line.
  rows() {
    const { spec, board } = this;
    const step = board.minutes > 15 ? 5000 : 1000;
    const from = Date.now() - board.minutes * 60_000;
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
    const window = [Date.now() - this.board.minutes * 60_000, Date.now()];
    const top = spec.range?.[1] ?? this.top(rows);
    if (this.graph) {
      this.graph.updateOptions({ file: rows, dateWindow: window, valueRange: [0, top] });
      return;
    }
    this.plot.classList.remove('empty-plot');
    this.plot.textContent = '';
    const { agent, anomalies, findings } = this.board;
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

// Dygraphs follows the window; a scroll bar or a new row changes the plot alone.
export function fit(plot, graph) {
  const watch = new ResizeObserver(() => { if (plot.clientWidth) graph()?.resize(); });
  watch.observe(plot);
  return watch;
}

export function colours(lines) {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  return {
    colors: ['--s1', '--s2', '--s3', '--s4'].slice(0, lines).map(colour), gridLineColor: colour('--grid'),
    axisLineColor: colour('--line'),
  };
}
