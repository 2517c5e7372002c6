// Which samples of the shown node its agent judged anomalous: marks along the foot of the charts.

import { ask } from '/server.js';

const slot = 5000; // milliseconds; several anomalous samples of one metric in a slot are one mark
const keep = 62 * 60_000;

export class Anomalies {
  constructor() { this.slots = new Map(); } // metric → Set of slots

  // From the live stream: samples are [ms, value] or, anomalous, [ms, value, 1].
  live(series) {
    for (const [labels, samples] of series) {
      for (const [time, , anomalous] of samples) if (anomalous) this.add(labels.__name__, time);
    }
  }

  // What is stored.
  async fill(agent, metrics, minutes) {
    const end = Math.ceil(Date.now() / slot) * slot / 1000;
    const names = metrics.join('|');
    const bits = `stagebox_anomaly_bit{instance=${JSON.stringify(agent)},metric=~"${names}"}[${slot / 1000}s]`;
    const query = new URLSearchParams({
      query: `max by (metric) (max_over_time(${bits})) > 0`, start: end - minutes * 60, end, step: slot / 1000,
    });
    const answer = await (await ask(`/api/v1/query_range?${query}`)).json();
    // A step looks back over the slot that ends there.
    for (const { metric, values } of answer.data.result) {
      for (const [time] of values) this.add(metric.metric, time * 1000 - 1);
    }
  }

  add(metric, time) {
    const known = this.slots.get(metric) ?? this.slots.set(metric, new Set()).get(metric);
    known.add(Math.floor(time / slot));
    if (known.size <= 2 * keep / slot) return;
    for (const old of known) if (old * slot < Date.now() - keep) known.delete(old);
  }

  draw(metrics, colour, canvas, area, graph) {
    canvas.fillStyle = colour;
    const foot = area.y + area.h - 5;
    for (const metric of metrics) {
      for (const index of this.slots.get(metric) ?? []) {
        const from = graph.toDomXCoord(index * slot);
        const width = Math.max(2, graph.toDomXCoord((index + 1) * slot) - from);
        if (from + width >= area.x && from <= area.x + area.w) canvas.fillRect(Math.max(area.x, from), foot, width, 5);
      }
    }
  }
}
