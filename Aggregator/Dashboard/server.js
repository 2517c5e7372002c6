// Whose page this is, and what is asked of the server.

const tokenKey = 'stagebox.token';
const tenantKey = 'stagebox.tenant';

export const session = {
  token: sessionStorage.getItem(tokenKey) ?? '',
  tenant: sessionStorage.getItem(tenantKey) ?? '',

  // For as long as the tab is open.
  keep() {
    sessionStorage.setItem(tokenKey, this.token);
    sessionStorage.setItem(tenantKey, this.tenant);
  },

  end() {
    sessionStorage.clear();
    this.token = '';
    this.tenant = '';
  },
};

class Refused extends Error {
  constructor(status, detail) { super(detail); this.status = status; }
}

export async function ask(path, options = {}) {
  const url = new URL(path, location.origin);
  if (session.tenant) url.searchParams.set('tenant', session.tenant);
  const response = await fetch(url, {
    ...options, cache: 'no-store', headers: { Authorization: `Bearer ${session.token}`, ...options.headers },
  });
  if (response.ok) return response;
  let detail = `${response.status} ${response.statusText}`;
  // Problem details, or an error in Prometheus' form; without either the status says it.
  try {
    const body = await response.json();
    detail = body.detail ?? body.error ?? detail;
  } catch { /* no JSON */ }
  throw new Refused(response.status, detail);
}

// Lines of a streamed body, as they come.
export async function* lines(response) {
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
