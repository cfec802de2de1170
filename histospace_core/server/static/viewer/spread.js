// A histogram of a gene's values: each bar stands above the colour of its tiles.
import { shortNumber } from "./units.js";

const BARS = 64;

// The values that are coloured, rising.
export function coloured({ grid, values: [values] }, grey) {
  const known = new Float32Array(values.length);
  let n = 0;
  for (let i = 0; i < values.length; i++)
    // NaN, where there is no tile, differs from itself.
    if (values[i] === values[i] && !(grey && grid.out_of_domain[i])) known[n++] = values[i];
  // A typed array sorts by value, not as text.
  return known.subarray(0, n).sort();
}

// How many of `sorted` lie in each of `n` equal bins from `low` to `high`, and outside them.
function count(sorted, [low, high], n) {
  const [bins, outside] = [new Float64Array(n), [0, 0]];
  for (const value of sorted) {
    if (value < low) outside[0]++;
    else if (value > high) outside[1]++;
    else bins[Math.min(n - 1, Math.floor((n * (value - low)) / (high - low)))]++;
  }
  return { bins, outside };
}

// Draw `sorted` values into `svg`, whose box is as wide as the colours; say in words what is to be seen.
export function showSpread(svg, name, sorted, limits) {
  svg.toggleAttribute("hidden", !sorted.length);
  if (!sorted.length) return;
  const { bins, outside } = count(sorted, limits, BARS);
  const most = Math.max(...bins, 1);
  svg.setAttribute("viewBox", `0 0 ${BARS} 1`);
  svg.querySelector("path").setAttribute("d", Array.from(bins, (n, i) => `M${i} 1V${1 - n / most}h1V1z`).join(""));
  const at = (share) => shortNumber(sorted[Math.round(share * (sorted.length - 1))]);
  const part = (n) => `${Math.round((100 * n) / sorted.length)} %`;
  const text =
    `${name} in ${sorted.length.toLocaleString("en")} tiles: median ${at(0.5)}, half of them are between ${at(0.25)} and ` +
    `${at(0.75)}; ${part(outside[0])} below this colour range, ${part(outside[1])} above`;
  svg.setAttribute("aria-label", text);
  svg.querySelector("title").textContent = text;
}
