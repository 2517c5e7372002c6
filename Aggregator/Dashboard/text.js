// Texts and tables.

export function put(node, text, className) {
  if (node.textContent !== text) node.textContent = text;
  if (className !== undefined && node.className !== className) node.className = className;
}

// Keeps the rows that stay, so that focus and selection stay too.
export function patch(body, items, keyOf, fill) {
  const rows = new Map([...body.rows].map((row) => [row.dataset.key, row]));
  items.forEach((item, index) => {
    const key = keyOf(item);
    let row = rows.get(key);
    rows.delete(key);
    if (!row) {
      row = document.createElement('tr');
      row.dataset.key = key;
    }
    fill(row, item);
    if (body.rows[index] !== row) body.insertBefore(row, body.rows[index] ?? null);
  });
  for (const row of rows.values()) row.remove();
}

export function duration(ms) {
  if (ms < 1000) return `${ms} ms`;
  if (ms < 120_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`;
  if (ms < 7_200_000) return `${Math.round(ms / 60_000)} min`;
  if (ms < 172_800_000) return `${Math.round(ms / 3_600_000)} h`;
  return `${Math.round(ms / 86_400_000)} d`;
}
export function scaled(value, base, units) {
  let unit = 0;
  while (Math.abs(value) >= base && unit < units.length - 1) { value /= base; unit += 1; }
  return `${value >= 100 || Number.isInteger(value) ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}
export function bytes(value) { return scaled(value, 1024, ['B', 'KiB', 'MiB', 'GiB', 'TiB']); }
export function count(value) { return Number(value).toLocaleString('en'); }
export function show(value, unit) {
  if (unit === 'percent') return `${value.toFixed(value > 0 && value < 10 ? 1 : 0)} %`;
  if (unit === 'bytes') return bytes(value);
  if (unit === 'bits/s') return scaled(value, 1000, ['bit/s', 'kbit/s', 'Mbit/s', 'Gbit/s']);
  return Number.isInteger(value) ? count(value) : value.toFixed(1);
}
export function clock(time) {
  const date = new Date(time);
  const two = (n) => String(n).padStart(2, '0');
  return `${two(date.getHours())}:${two(date.getMinutes())}${date.getSeconds() ? `:${two(date.getSeconds())}` : ''}`;
}
