// The live page: signing in, the stream of news, and the parts that show them. No build step, no framework.
// Everything from the server is put in with textContent, never as markup.

import { Board } from '/board.js';
import { Findings } from '/findings.js';
import { showFleet } from '/fleet.js';
import { showLedger } from '/ledger.js';
import { Query } from '/query.js';
import { ask, lines, session } from '/server.js';
import { put } from '/text.js';

const $ = (id) => document.getElementById(id);
const state = {
  fleet: [],
  agent: null,
  minutes: 15,
  stream: null, // AbortController of the open stream
  board: null, // the chosen node's Board
};

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
  session.token = $('token').value.trim();
  session.tenant = $('tenant-name').value.trim();
  await start();
});

$('sign-out').addEventListener('click', () => {
  session.end();
  state.fleet = [];
  choose(null);
  query.clear();
  $('token').value = '';
  showSignIn();
});

async function start() {
  try {
    const answer = await (await ask('/api/v1/agents')).json();
    session.keep();
    $('tenant').textContent = answer.tenant;
    $('sign-in').hidden = true;
    $('board').hidden = false;
    $('sign-out').hidden = false;
    show(answer.agents);
    const wanted = decodeURIComponent(location.hash.slice(1));
    const first = state.fleet.find((a) => a.agent === wanted) ?? state.fleet.find((a) => a.state === 'online') ?? state.fleet[0];
    choose(first?.agent ?? null);
    refreshLedger();
    refreshFindings();
    query.open();
  } catch (error) {
    if (error.status === 400 && !session.tenant) {
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
  if (name === 'fleet') show(data);
  if (name === 'samples' && data.agent === state.agent) state.board?.add(data.series);
}

// ---------------------------------------------------------------- fleet

function show(agents) {
  state.fleet = agents;
  showFleet(agents, state.agent, choose);
  noteNode();
}

$('filter').addEventListener('input', () => show(state.fleet));

// ---------------------------------------------------------------- ledger

let ledgerTimer;
async function refreshLedger() {
  clearTimeout(ledgerTimer);
  if (!session.token || $('board').hidden) return;
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

const query = new Query();
const findings = new Findings();
let findingsTimer;
async function refreshFindings() {
  clearTimeout(findingsTimer);
  if (!session.token || $('board').hidden) return;
  try {
    findings.show((await (await ask('/api/v1/findings?limit=100')).json()).findings, choose);
  } catch (error) {
    if (error.status === 401) return;
    put($('findings-verdict'), 'not known right now');
  }
  findingsTimer = setTimeout(refreshFindings, document.hidden ? 30_000 : 5000);
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
    state.board = new Board(agent, state.minutes, findings, showSignIn);
    state.board.fill();
  }
  show(state.fleet);
  if (session.token) follow();
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
    if (!state.board) return;
    state.board.minutes = state.minutes;
    state.board.fill();
  });
}

matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => state.board?.recolour());

// The time moves even when no sample comes.
setInterval(() => state.board?.draw(), 1000);
document.addEventListener('visibilitychange', () => { if (!document.hidden) { state.board?.draw(); refreshLedger(); refreshFindings(); } });

if (session.token) start(); else showSignIn();
