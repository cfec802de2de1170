// Lengths and numbers as text.

// 1, 2 or 5 times a power of ten, at most `most`.
export function roundLength(most) {
  const power = 10 ** Math.floor(Math.log10(most));
  return [5, 2, 1].find((step) => step * power <= most) * power;
}

export function lengthText(um) {
  return um >= 1000 ? `${um / 1000} mm` : `${+um.toPrecision(3)} µm`;
}

export function positionText(x, y, mpp) {
  const text = (px) => Math.round(px * (mpp ?? 1)).toLocaleString("en");
  return `x ${text(x)}, y ${text(y)} ${mpp ? "µm" : "px"}`;
}

export function shortNumber(value) {
  return String(+value.toPrecision(3));
}

// The value at x of the line through the points (xs, ys); xs rise.
export function at(x, xs, ys) {
  const next = xs.findIndex((other) => other >= x);
  if (next < 1) return next < 0 ? ys[ys.length - 1] : ys[0];
  const share = (x - xs[next - 1]) / (xs[next] - xs[next - 1]);
  return ys[next - 1] + share * (ys[next] - ys[next - 1]);
}

// The predicted value, its interval, and whether the tile is out of domain.
export function valueText(found, gene) {
  if (!found) return "no prediction here";
  const { value, out_of_domain } = found;
  const { interval } = gene;
  const ends = interval && [interval.low, interval.high].map((end) => at(value, interval.values, end).toFixed(2));
  const text = ends ? ` (${interval.what} ${ends.join(" to ")})` : "";
  return `${value.toFixed(3)}${text}${out_of_domain ? ", unlike the training tissue" : ""}`;
}
