// The table of nodes.

import { bytes, count, duration, patch, put } from '/text.js';

const $ = (id) => document.getElementById(id);
const order = ['online', 'stale', 'offline', 'new'];

// `chosen` is the name of the node whose charts are shown; `choose` shows another's.
export function showFleet(agents, chosen, choose) {
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
  patch($('fleet').tBodies[0], shown, (a) => a.agent, (row, agent) => fill(row, agent, chosen, choose));
}

function fill(row, agent, chosen, choose) {
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
  row.setAttribute('aria-selected', agent.agent === chosen);
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
