// What nodes produced, and what became of it.

import { count, patch, put } from '/text.js';

const $ = (id) => document.getElementById(id);

export function showLedger(ledger) {
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
