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

// The predicted value, its interval, and whether the tile is out of domain.
export function valueText(found, gene) {
  if (!found) return "no prediction here";
  const { value, out_of_domain } = found;
  const half = gene.half_width;
  const ends = [value - half, value + half].map((end) => Math.max(0, end).toFixed(2)); // none is below none
  const interval = half ? ` (90 % interval ${ends.join(" to ")})` : "";
  return `${value.toFixed(3)}${interval}${out_of_domain ? ", unlike the training tissue" : ""}`;
}
