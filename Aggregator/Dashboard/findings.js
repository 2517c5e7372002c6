// What the nodes found strange: a table, and a shade behind the charts of the node that is shown.

import { clock, patch, put } from '/text.js';

const $ = (id) => document.getElementById(id);

export class Findings {
  constructor() { this.known = []; }

  // Newest first; `choose` shows a node's charts.
  show(findings, choose) {
    this.known = findings;
    const open = findings.filter((f) => f.state === 'open').length;
    const verdict = $('findings-verdict');
    verdict.className = open ? 'verdict bad' : 'verdict good';
    put(verdict, open ? `${open} open` : 'nothing strange now');
    $('findings-table').hidden = !findings.length;
    patch($('findings').tBodies[0], findings, (f) => f.id, (row, finding) => {
      if (!row.cells.length) {
        const head = document.createElement('th');
        head.scope = 'row';
        const button = document.createElement('button');
        button.type = 'button';
        button.addEventListener('click', () => choose(finding.agent));
        head.append(button);
        row.append(head);
        for (let i = 0; i < 5; i += 1) row.append(document.createElement('td'));
      }
      put(row.cells[0].firstChild, finding.agent);
      put(row.cells[1], judged(finding));
      row.cells[1].title = finding.rule ? threshold(finding.rule) : '';
      put(row.cells[2], clock(finding.since));
      row.cells[2].title = finding.since;
      put(row.cells[3], finding.until ? clock(finding.until) : 'open', finding.until ? '' : 'bad');
      put(row.cells[4], finding.score.toFixed(2), 'n');
      put(row.cells[5], finding.contributors.slice(0, 2).map(series).join(', ') || '–');
      row.cells[5].title = finding.contributors.map((c) => `${Math.round(c.share * 100)} %  ${series(c)}`).join('\n');
    });
  }

  // Behind a chart: the times at which one of the node's findings was open.
  shade(agent, colour, canvas, area, graph) {
    canvas.fillStyle = colour;
    for (const finding of this.known) {
      if (finding.agent !== agent) continue;
      const from = Math.max(area.x, graph.toDomXCoord(Date.parse(finding.since)));
      const to = Math.min(area.x + area.w, graph.toDomXCoord(finding.until ? Date.parse(finding.until) : Date.now()));
      if (to >= area.x && from <= area.x + area.w) canvas.fillRect(from, area.y, Math.max(2, to - from), area.h);
    }
  }
}

// What is strange, and who says so.
function judged({ group, rule, origin, fleet }) {
  const what = rule ? `${group}, rule ${rule.name}` : group;
  if (origin === 'fleet') return `${what}, by its peers`;
  return fleet.length ? `${what}, also by its peers` : what;
}

function threshold({ severity, value, threshold }) {
  const short = (number) => String(Number(number.toPrecision(4)));
  return `${severity}: ${short(value)}, the threshold is ${short(threshold)}`;
}

function series({ labels }) {
  const rest = Object.entries(labels).filter(([name]) => name !== '__name__').map(([name, value]) => `${name}="${value}"`);
  return labels.__name__ + (rest.length ? `{${rest.join(', ')}}` : '');
}
