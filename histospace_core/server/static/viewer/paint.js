// Paints a gene's values as an image to overlay on the slide, for any box at any resolution.

// The cells that an axis of `n` px covers, and the share of each px that each cell covers.
function shares(edges, start, length, n) {
  const step = length / n;
  const cells = edges.length - 1;
  const [first, end, weights] = [new Int32Array(n), new Int32Array(n), []];
  for (let i = 0, cell = 0; i < n; i++) {
    const [from, to] = [start + i * step, start + (i + 1) * step];
    while (cell < cells && edges[cell + 1] <= from) cell++;
    first[i] = cell;
    for (let k = cell; k < cells && edges[k] < to; k++)
      weights.push((Math.min(to, edges[k + 1]) - Math.max(from, edges[k])) / step);
    end[i] = weights.length;
  }
  return { first, end, weights };
}

// Whether px `i` covers the same cells in the same shares as the one before.
function repeats({ first, end, weights }, i) {
  const alone = (j) => end[j] - (j ? end[j - 1] : 0) === 1 && weights[end[j] - 1] > 1 - 1e-9;
  return i > 0 && first[i] === first[i - 1] && alone(i) && alone(i - 1);
}

// Draw a box of a slide; returns RGBA, row by row.
//
// A pixel shows the mean of the tiles under it, weighted by area: many tiles when zoomed out, one
// tile when zoomed in. Its opacity is the share that tiles cover.
//
// grid    {x, y, out_of_domain}: edges of the cells (level-0 px, rising); 1 where a cell is out of domain
// values  one number for each cell, row by row; NaN is transparent
// box     [left, top, width, height], level-0 px
// size    [width, height] of the picture, px
// look    {table, limits, grey}: 256 colours as RGB bytes, ends of the scale, and the one colour
//         of cells out of domain, or null to colour them like all others
export function paint({ grid, values, box, size: [width, height], look }) {
  const out = new Uint8ClampedArray(4 * width * height);
  const across = shares(grid.x, box[0], box[2], width);
  const down = shares(grid.y, box[1], box[3], height);
  const columns = grid.x.length - 1;
  const { table, grey } = look;
  const [low, high] = look.limits;
  const factor = 255 / Math.max(high - low, 1e-12);
  const [sum, known, coloured] = [new Float64Array(columns), new Float64Array(columns), new Float64Array(columns)];
  const last = width - 1;
  const [left, right] = [across.first[0], across.first[last] + across.end[last] - (last ? across.end[last - 1] : 0)];
  for (let y = 0; y < height; y++) {
    const begin = y ? down.end[y - 1] : 0;
    const at = 4 * y * width;
    if (begin === down.end[y]) continue;
    if (repeats(down, y)) {
      // Zoomed in, most rows repeat the one above.
      out.copyWithin(at, at - 4 * width, at);
      continue;
    }
    // The weights are products of a share down and a share across, so columns are summed first.
    for (const part of [sum, known, coloured]) part.fill(0, left, right);
    for (let j = begin; j < down.end[y]; j++) {
      const weight = down.weights[j];
      const row = (down.first[y] + j - begin) * columns;
      for (let x = left; x < right; x++) {
        const value = values[row + x];
        // NaN differs from itself.
        if (value !== value) continue;
        known[x] += weight;
        if (grey && grid.out_of_domain[row + x]) continue;
        coloured[x] += weight;
        sum[x] += weight * value;
      }
    }
    for (let x = 0, i = 0; x < width; x++) {
      let [cover, inside, total] = [0, 0, 0];
      for (let cell = across.first[x]; i < across.end[x]; i++, cell++) {
        const weight = across.weights[i];
        cover += weight * known[cell];
        inside += weight * coloured[cell];
        total += weight * sum[cell];
      }
      if (!cover) continue;
      const place = Math.max(0, Math.min(255, ((inside ? total / inside : low) - low) * factor));
      const share = inside / cover;
      const colour = 3 * Math.floor(place + 0.5);
      const px = at + 4 * x;
      for (let c = 0; c < 3; c++)
        out[px + c] = share > 1 - 1e-6 ? table[colour + c] : table[colour + c] * share + grey[c] * (1 - share);
      out[px + 3] = 255 * Math.min(cover, 1);
    }
  }
  return out;
}

// Blends several genes in one picture, like printing inks that light passes one after another.
//
// parts   [{values, look}], a table of each from white to its ink; the rest as for `paint`
export function paintMix({ grid, parts, box, size }) {
  const out = paint({ grid, box, size, ...parts[0] });
  for (const { values, look } of parts.slice(1)) {
    const grey = look.grey && [255, 255, 255]; // cells out of domain are grey already
    const ink = paint({ grid, values, box, size, look: { ...look, grey } });
    for (let i = 0; i < out.length; i++) if (i % 4 !== 3) out[i] = (out[i] * ink[i]) / 255;
  }
  return out;
}
