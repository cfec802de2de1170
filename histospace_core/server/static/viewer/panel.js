// One gene over the slide: an OpenSeadragon viewer with two layers, its labels and its legend.
import { wake } from "./calm.js";
import { showMix } from "./mix.js";
import { bytes, layerAddress, layerSource, limitsOf, partsOf, slideSource } from "./sources.js";
import { readGrid, readValues, valueAt } from "./values.js";
import { Outlines } from "./regions.js";
import { coloured, showSpread } from "./spread.js";
import { lengthText, roundLength, shortNumber, valueText } from "./units.js";

const HTML = `
  <header><strong class="gene"></strong><span class="score"></span><span class="unit"></span></header>
  <div class="stage">
    <div class="canvas"></div>
    <div class="cross" hidden></div>
    <p class="state" role="status" aria-live="polite"></p>
    <div class="scale-bar" hidden><span></span></div>
  </div>
  <div class="legend">
    <input class="low" type="number" step="any">
    <div class="colours">
      <svg class="spread" role="img" preserveAspectRatio="none" hidden><title></title><path /></svg>
      <canvas class="ramp" width="256" height="1" role="img"></canvas>
    </div>
    <input class="high" type="number" step="any">
    <button type="button" class="auto" title="Back to the 2nd and 98th percentile" aria-label="Reset the colour limits">↺</button>
  </div>
  <div class="mix" hidden></div>
  <p class="value"></p>`;

export class Panel {
  constructor(library, owner) {
    Object.assign(this, { library, owner, gene: null, layer: null, values: null });
    this.element = document.createElement("section");
    this.element.className = "panel";
    this.element.innerHTML = HTML;
    this.at = (name) => this.element.querySelector(`.${name}`);
    for (const end of ["low", "high"]) this.at(end).onchange = () => this.setLimits();
    this.at("auto").onclick = () => owner.setLimits(this.gene.name, null);
  }

  // Called once the panel is in the page: a viewer needs its size.
  open(data) {
    this.data = data;
    this.viewer = this.library({
      element: this.at("canvas"),
      tileSources: data.slide ? [slideSource(data)] : [],
      drawer: "canvas", // six panels exceed the WebGL contexts that some machines have
      showNavigationControl: false,
      showNavigator: false,
      gestureSettingsMouse: { clickToZoom: false, dblClickToZoom: true },
      animationTime: 0.4,
      visibilityRatio: 0.3,
      maxZoomPixelRatio: 4,
      minZoomImageRatio: 0.6,
      maxImageCacheCount: 300,
      subPixelRoundingForTransparency: this.library.SUBPIXEL_ROUNDING_OCCURRENCES.ALWAYS,
    });
    const { viewer } = this;
    this.outlines = new Outlines(this);
    viewer.addHandler("open", () => {
      this.goHome(true);
      viewer.world.getItemAt(0).addOnceHandler("fully-loaded-change", () => (this.element.dataset.slide = "shown"));
    });
    viewer.addHandler("tile-load-failed", (event) => this.failed(event));
    viewer.addHandler("canvas-key", (event) => this.key(event));
    viewer.addHandler("viewport-change", () => this.moved());
    viewer.addHandler("update-viewport", () => this.drawScaleBar());
    for (const touch of ["canvas-press", "canvas-scroll", "canvas-pinch", "canvas-key"])
      viewer.addHandler(touch, () => this.owner.lead(this));
    const stage = this.at("stage");
    stage.onpointermove = (event) => {
      this.byKeys = false;
      this.owner.pointAt(this, this.place(event));
    };
    stage.onpointerleave = () => this.owner.pointAt(this, null);
    if (!data.slide) this.say("The slide file is missing, so the map is shown without it.");
  }

  close() {
    this.closed = true;
    this.viewer?.destroy();
    this.element.remove();
  }

  // Show a gene. The slide and the previous map stay until the new map is complete.
  show(gene, looks) {
    this.gene = gene;
    this.at("gene").textContent = gene.name;
    this.at("score").textContent = gene.score;
    this.at("unit").textContent = this.unit;
    this.at("score").classList.toggle("unreliable", !gene.reliable);
    const label = `Predicted ${gene.name} over the slide. Arrow keys move, plus and minus zoom, 0 shows all tissue.`;
    this.viewer.canvas.setAttribute("aria-label", label);
    this.viewer.canvas.setAttribute("role", "application");
    this.showLegend(looks);
    this.paint(looks);
  }

  paint(looks) {
    const { data, gene } = this;
    const address = layerAddress(data, gene, looks);
    if (address === this.address) return this.setOpacity(looks);
    wake();
    this.address = address;
    this.complete = new Promise((resolve) => (this.completed = resolve));
    if (this.values?.layer !== gene.layer) this.values = null;
    this.say(`Loading ${gene.name}…`);
    Promise.all([readGrid(data.layer), ...partsOf(gene).map(({ layer }) => readValues(data.layer, layer))]).then(
      ([grid, ...parts]) => {
        const values = parts.map((part) => part.values);
        if (this.address === address) this.lay(address, looks, { layer: gene.layer, grid, values });
      },
      () => {
        if (this.address !== address) return;
        this.address = null; // it may be asked for again
        this.say(`The map of ${gene.name} could not be loaded.`);
      },
    );
  }

  lay(address, looks, values) {
    wake();
    this.values = values;
    this.showSpread(looks);
    this.viewer.addTiledImage({
      tileSource: layerSource(this.data, this.gene, looks, values),
      opacity: 0,
      preload: true,
      immediateRender: true,
      success: ({ item }) => {
        if (this.address !== address) return this.viewer.world.removeItem(item);
        item.addHandler("fully-loaded-change", ({ fullyLoaded }) => fullyLoaded && this.ready(item, address));
        if (item.getFullyLoaded()) this.ready(item, address);
      },
    });
  }

  ready(item, address) {
    const { world } = this.viewer;
    if (this.closed || world.getIndexOfItem(item) < 0 || this.layer === item) return;
    if (this.address !== address) return world.removeItem(item); // another gene was chosen meanwhile
    const former = this.layer;
    this.layer = item;
    this.setOpacity(this.owner.looks);
    if (former) world.removeItem(former);
    if (!this.broken) this.say("");
    this.element.dataset.shown = this.gene.name;
    this.completed();
  }

  setOpacity(looks) {
    this.layer?.setOpacity(looks.shown ? looks.opacity : 0);
  }

  failed({ tile, message }) {
    this.broken = true;
    console.warn("tile", tile?.getUrl?.() ?? "", message);
    this.say("Part of the picture could not be loaded. If it stays missing, reload the page.");
  }

  say(text) {
    this.at("state").textContent = text;
  }

  get unit() {
    return this.gene.unit ?? this.data.unit;
  }

  showLegend(looks) {
    const { parts } = this.gene;
    this.at("legend").hidden = Boolean(parts);
    this.at("mix").hidden = !parts;
    if (parts) return showMix(this.at("mix"), parts, looks);
    const limits = limitsOf(this.gene, looks);
    const colours = bytes(this.data.scales[looks.scale]);
    const ramp = new ImageData(256, 1);
    for (let i = 0; i < 256; i++) ramp.data.set([...colours.subarray(3 * i, 3 * i + 3), 255], 4 * i);
    this.at("ramp").getContext("2d").putImageData(ramp, 0, 0);
    const text = `${this.gene.name}, ${this.unit}`;
    this.at("ramp").setAttribute("aria-label", `Colours of ${text}, from ${shortNumber(limits[0])} to ${shortNumber(limits[1])}`);
    for (const [i, end] of ["low", "high"].entries()) {
      this.at(end).value = shortNumber(limits[i]);
      this.at(end).setAttribute("aria-label", `${i ? "Upper" : "Lower"} colour limit of ${text}`);
    }
    this.at("auto").disabled = !(this.gene.name in looks.limits);
    this.showSpread(looks);
  }

  // The previous values stay, like the previous map, until the new ones arrive.
  showSpread(looks) {
    const { gene, values } = this;
    if (gene.parts || values?.layer !== gene.layer) return;
    if (values.grey !== looks.grey) Object.assign(values, { grey: looks.grey, sorted: coloured(values, looks.grey) });
    showSpread(this.at("spread"), gene.name, values.sorted, limitsOf(gene, looks));
  }

  setLimits() {
    const [low, high] = ["low", "high"].map((end) => this.at(end).valueAsNumber);
    if (low < high) return this.owner.setLimits(this.gene.name, [low, high]);
    this.say("The lower limit must be a number below the upper limit.");
    this.showLegend(this.owner.looks);
  }

  goHome(immediately = false) {
    const [x0, y0, x1, y1] = this.data.home.map((px) => px / this.data.pyramid.width);
    this.viewer.viewport.fitBounds(new this.library.Rect(x0, y0, x1 - x0, y1 - y0), immediately);
  }

  key(event) {
    const key = event.originalEvent.key.toLowerCase();
    if (["r", "f", "j", "k"].includes(key)) event.preventDefaultAction = true; // no accidental rotation or flip
    this.byKeys = true;
    if (key !== "0") return;
    event.preventDefaultAction = true;
    this.goHome();
  }

  // Move the other panels too. For keyboard users, show the value at the centre.
  moved() {
    this.owner.follow(this);
    if (!this.byKeys) return;
    const { x, y } = this.viewer.viewport.getCenter(true);
    const { width } = this.data.pyramid;
    this.owner.pointAt(null, { x: x * width, y: y * width });
  }

  moveTo({ viewport }) {
    this.viewer.viewport.zoomTo(viewport.getZoom(true), null, true);
    this.viewer.viewport.panTo(viewport.getCenter(true), true);
  }

  // Level-0 px under the pointer.
  place(event) {
    const box = this.at("stage").getBoundingClientRect();
    const pixel = new this.library.Point(event.clientX - box.left, event.clientY - box.top);
    const { x, y } = this.viewer.viewport.pointFromPixel(pixel, true);
    return { x: x * this.data.pyramid.width, y: y * this.data.pyramid.width };
  }

  pointAt(place, own) {
    const inside = place && this.values;
    const read = (part, i) => `${part.name} ${valueText(valueAt(inside.grid, inside.values[i], place.x, place.y), part)}`;
    this.at("value").textContent = inside ? partsOf(this.gene).map(read).join(" · ") : "";
    this.at("value").setAttribute("aria-live", this.byKeys ? "polite" : "off");
    this.at("cross").hidden = own || !place;
    if (own || !place) return;
    const { width } = this.data.pyramid;
    const { x, y } = this.viewer.viewport.pixelFromPoint(new this.library.Point(place.x / width, place.y / width), true);
    this.at("cross").style.translate = `${x}px ${y}px`;
  }

  drawScaleBar() {
    const { mpp, pyramid } = this.data;
    if (!mpp) return;
    const { viewport } = this.viewer;
    const umPerPx = (mpp * pyramid.width) / (viewport.getZoom(true) * viewport.getContainerSize().x);
    const um = roundLength(umPerPx * Math.min(160, viewport.getContainerSize().x / 3));
    const bar = this.at("scale-bar");
    bar.hidden = false;
    bar.style.width = `${um / umPerPx}px`;
    bar.firstElementChild.textContent = lengthText(um);
  }
}
