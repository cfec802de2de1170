// OpenSeadragon itself, and the two kinds of layers that it shows.

let library = null;

// OpenSeadragon is no module: it comes as a script, once for the whole page.
export function openSeadragon() {
  library ??= new Promise((resolve, reject) => {
    if (window.OpenSeadragon) return resolve(window.OpenSeadragon);
    const script = document.createElement("script");
    script.src = new URL("../openseadragon/openseadragon.min.js", import.meta.url).href;
    script.onload = () => resolve(window.OpenSeadragon);
    script.onerror = () => {
      library = null;
      script.remove();
      reject(new Error("The viewer could not be loaded"));
    };
    document.head.append(script);
  });
  return library;
}

function pyramid({ width, height, tile, first, last }, getTileUrl) {
  return { width, height, tileSize: tile, tileOverlap: 0, minLevel: first, maxLevel: last, getTileUrl };
}

export function slideSource({ pyramid: shape, slide }) {
  return pyramid(shape, (level, x, y) => `${slide.url}/${level}/${x}_${y}.jpg?token=${slide.token}`);
}

export function layerSource({ pyramid: shape, layer }, gene, looks) {
  const [low, high] = limitsOf(gene, looks);
  const { scale } = looks;
  const query = new URLSearchParams({ gene: gene.name, scale, low, high, grey: looks.grey ? 1 : 0, token: layer.token });
  return pyramid(shape, (level, x, y) => `${layer.url}/${level}/${x}_${y}.png?${query}`);
}

// The reader's own limits, else the robust ones that came with the gene.
export function limitsOf(gene, looks) {
  return looks.limits[gene.name] ?? gene.limits;
}
