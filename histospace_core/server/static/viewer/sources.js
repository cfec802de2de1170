// OpenSeadragon itself, and the two kinds of layers that it shows.
import { calm } from "./calm.js";
import { paintMix } from "./paint.js";

let library = null;

// OpenSeadragon is not a module, so it is loaded as a script, once for each page.
export function openSeadragon() {
  library ??= new Promise((resolve, reject) => {
    if (window.OpenSeadragon) return resolve(window.OpenSeadragon);
    const script = document.createElement("script");
    script.src = new URL("../openseadragon/openseadragon.min.js", import.meta.url).href;
    script.onload = () => resolve(calm(window.OpenSeadragon));
    script.onerror = () => {
      // The next call tries again.
      library = null;
      script.remove();
      reject(new Error("The viewer could not be loaded"));
    };
    document.head.append(script);
  });
  return library;
}

function pyramid({ width, height, tile, first, last }) {
  return { width, height, tileSize: tile, tileOverlap: 0, minLevel: first, maxLevel: last };
}

export function slideSource({ pyramid: shape, slide }) {
  return { ...pyramid(shape), getTileUrl: (level, x, y) => `${slide.url}/${level}/${x}_${y}.jpg?token=${slide.token}` };
}

// A picture shows one gene, or several blended.
export function partsOf(gene) {
  return gene.parts ?? [gene];
}

// Identifies a picture of a gene, so that tiles already painted are reused.
export function layerAddress({ run }, gene, looks) {
  const parts = partsOf(gene).map((part) => [part.layer, part.ink ?? looks.scale, limitsOf(part, looks)]);
  return `painted:${run}/${JSON.stringify([parts, looks.grey])}`;
}

// The browser paints the tiles of a gene's map from its values, so a new colour needs no request.
export function layerSource(data, gene, looks, { grid, values }) {
  const shape = data.pyramid;
  const address = layerAddress(data, gene, looks);
  const grey = looks.grey ? bytes(data.out_of_domain) : null;
  const parts = partsOf(gene).map((part, i) => {
    const table = bytes(part.inks ?? data.scales[looks.scale]);
    return { values: values[i], look: { table, limits: limitsOf(part, looks), grey } };
  });
  return {
    ...pyramid(shape),
    getTileUrl: (level, x, y) => `${address}/${level}/${x}_${y}`,
    hasTransparency: () => true,
    downloadTileAbort() {},
    downloadTileStart(job) {
      const { box, size } = place(shape, job.tile);
      const canvas = Object.assign(document.createElement("canvas"), { width: size[0], height: size[1] });
      const context = canvas.getContext("2d");
      context.putImageData(new ImageData(paintMix({ grid, parts, box, size }), ...size), 0, 0);
      job.finish(context, null, "context2d");
    },
  };
}

// The position of a tile in level-0 px, and its size; tiles at the border are cut to the slide.
function place({ width, height, tile, last }, { level, x, y }) {
  const down = 2 ** (last - level);
  const [left, top] = [x * tile * down, y * tile * down];
  const [w, h] = [Math.min(tile * down, width - left), Math.min(tile * down, height - top)];
  return { box: [left, top, w, h], size: [Math.ceil(w / down), Math.ceil(h / down)] };
}

// "9a97a0…" as numbers.
export function bytes(hex) {
  return Uint8Array.from({ length: hex.length / 2 }, (_, i) => parseInt(hex.slice(2 * i, 2 * i + 2), 16));
}

// The reader's own limits, else the robust ones that came with the gene.
export function limitsOf(gene, looks) {
  return looks.limits[gene.name] ?? gene.limits;
}
