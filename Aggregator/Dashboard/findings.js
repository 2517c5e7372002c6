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
    patch($('findings').tBodies[0], findings, (f) => `${f.relay || ''}/${f.over.join('/')}/${f.agent}/${f.id}`, (row, finding) => {
      if (!row.cells.length) {
        const head = document.createElement('th');
        head.scope = 'row';
        const button = document.createElement('button');
        button.type = 'button';
        // A node of another region has no charts here.
        if (finding.relay) button.disabled = true;
        else button.addEventListener('click', () => choose(finding.agent));
        head.append(button);
        row.append(head);
        for (let i = 0; i < 6; i += 1) row.append(document.createElement('td'));
      }
      put(row.cells[0].firstChild, finding.relay ? `${finding.agent} · ${finding.region || finding.relay}` : finding.agent);
      row.cells[0].title = finding.relay ? `handed on by ${finding.relay}` : '';
      put(row.cells[1], judged(finding));
      row.cells[1].title = finding.rule ? threshold(finding.rule) : '';
      put(row.cells[2], clock(finding.since));
      row.cells[2].title = finding.since;
      put(row.cells[3], finding.until ? clock(finding.until) : 'open', finding.until ? '' : 'bad');
      put(row.cells[4], finding.score.toFixed(2), 'n');
      put(row.cells[5], finding.contributors.slice(0, 2).map(series).join(', ') || '–');
      drawn(row.cells[6], finding.shape);
      row.cells[5].title = finding.contributors.map((c) => `${Math.round(c.share * 100)} %  ${series(c)}`).join('\n');
    });
  }

  // Behind a chart: the times at which one of the node's findings was open.
  shade(agent, colour, canvas, area, graph) {
    canvas.fillStyle = colour;
    for (const finding of this.known) {
      if (finding.relay || finding.agent !== agent) continue;
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

// A line of the first series around the finding's start; nothing where it is not known.
function drawn(cell, shape) {
  const known = (shape?.values ?? []).filter((value) => value !== null);
  const key = known.length ? `${shape.start}/${shape.values.length}` : '';
  if (cell.dataset.shape === key) return;
  cell.dataset.shape = key;
  cell.replaceChildren();
  if (!known.length) return;
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const [width, height] = [120, 22];
  const x = (index) => (shape.values.length > 1 ? (index * width) / (shape.values.length - 1) : width / 2).toFixed(1);
  const y = (value) => (high > low ? height - ((value - low) * height) / (high - low) : height / 2).toFixed(1);
  let [path, isDown] = ['', false];
  shape.values.forEach((value, index) => {
    if (value !== null) path += `${isDown ? 'L' : 'M'}${x(index)} ${y(value)}`;
    isDown = value !== null;
  });
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  const line = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  const short = (number) => String(Number(number.toPrecision(4)));
  const text = `from ${short(low)} to ${short(high)}`;
  svg.setAttribute('viewBox', `-1 -1 ${width + 2} ${height + 2}`);
  svg.setAttribute('class', 'shape');
  svg.setAttribute('role', 'img');
  svg.setAttribute('aria-label', text);
  line.setAttribute('d', path);
  svg.append(line);
  cell.append(svg);
  cell.title = text;
}

function threshold({ severity, value, threshold }) {
  const short = (number) => String(Number(number.toPrecision(4)));
  return `${severity}: ${short(value)}, the threshold is ${short(threshold)}`;
}

function series({ labels }) {
  const rest = Object.entries(labels).filter(([name]) => name !== '__name__').map(([name, value]) => `${name}="${value}"`);
  return labels.__name__ + (rest.length ? `{${rest.join(', ')}}` : '');
}
