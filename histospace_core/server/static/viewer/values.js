// The values of a gene on the grid of tiles, to show the one under the pointer.

const kept = new Map(); // by URL: a gene shown before is not fetched again
const MOST_KEPT = 24;

function fetched(url, read) {
  if (!kept.has(url)) {
    const answer = fetch(url).then((response) => {
      if (!response.ok) throw new Error(`status ${response.status}`);
      return read(response);
    });
    // A failure is not kept, so that the next request tries again.
    answer.catch(() => kept.delete(url));
    kept.set(url, answer);
    // A Map lists its keys in the order in which they were added.
    if (kept.size > MOST_KEPT) kept.delete(kept.keys().next().value);
  }
  return kept.get(url);
}

export async function readGrid({ url, token }) {
  return fetched(`${url}/grid.json?token=${token}`, async (response) => {
    const { x, y, out_of_domain } = await response.json();
    const flags = new Uint8Array((x.length - 1) * (y.length - 1));
    for (const place of out_of_domain) flags[place] = 1;
    return { x, y, out_of_domain: flags };
  });
}

// A gene's values and their default colour limits.
export async function readValues({ url, token }, gene) {
  const query = new URLSearchParams({ gene, token });
  return fetched(`${url}/values.bin?${query}`, async (response) => {
    const buffer = await response.arrayBuffer();
    return { limits: [...new Float64Array(buffer, 0, 2)], values: new Float32Array(buffer, 16) };
  });
}

// The cell of an axis that holds a position, -1 outside; edges rise.
function cell(edges, position) {
  if (!(position >= edges[0] && position < edges.at(-1))) return -1;
  let [low, high] = [0, edges.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (edges[middle] <= position) low = middle;
    else high = middle;
  }
  return low;
}

// The value of the tile at a position (level-0 px), and whether the tile is out of domain.
export function valueAt(grid, values, x, y) {
  const [column, row] = [cell(grid.x, x), cell(grid.y, y)];
  if (column < 0 || row < 0) return null;
  const place = row * (grid.x.length - 1) + column;
  const value = values[place];
  return Number.isNaN(value) ? null : { value, out_of_domain: grid.out_of_domain[place] === 1 };
}
