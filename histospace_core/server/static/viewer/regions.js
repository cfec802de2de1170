// Regions over the slide: their outlines on every panel, and the pen that draws new ones.

const NEAR = 9; // screen px from the first corner that close a polygon
const STEP = 3; // screen px between points of a lasso
const HINTS = {
  rectangle: "Drag from corner to corner. By keyboard: arrow keys move the map, Space sets a corner at the centre. Esc cancels.",
  polygon: "Click the corners. Click the first corner again, double-click or press Enter to close; Backspace removes the last corner. By keyboard: arrow keys move the map, Space sets a corner at the centre. Esc cancels.",
  lasso: "Drag around the area. Esc cancels.",
};

function svg(name, attributes = {}) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

const line = (points) => points.map(({ x, y }) => `${x} ${y}`).join("L");

// The outlines of one panel, in level-0 px; they move with the slide.
export class Outlines {
  constructor(panel) {
    this.panel = panel;
    this.element = svg("svg", { class: "outlines", "aria-hidden": "true" });
    this.shapes = svg("g");
    this.draft = svg("path", { class: "draft" });
    this.names = svg("g");
    this.aim = svg("path", { class: "aim", d: "M-9 0H9M0-9V9", visibility: "hidden" });
    this.shapes.append(this.draft);
    this.element.append(this.shapes, this.names, this.aim);
    panel.at("cross").before(this.element);
    panel.viewer.addHandler("update-viewport", () => this.place());
  }

  show(regions) {
    this.drawn("");
    const told = JSON.stringify(regions);
    // The page's script calls at every run, mostly with the same regions.
    if (told === this.told) return;
    this.told = told;
    const paths = regions.flatMap(({ path, colour, chosen }) => [
      // A white casing, so that the colour is visible on any map.
      svg("path", { d: path, class: chosen ? "casing chosen" : "casing" }),
      svg("path", { d: path, class: chosen ? "edge chosen" : "edge", stroke: colour }),
    ]);
    this.shapes.replaceChildren(...paths, this.draft);
    this.names.replaceChildren(...regions.map(({ name, at }) => {
      const text = svg("text", { "data-x": at[0], "data-y": at[1] });
      text.textContent = name;
      return text;
    }));
    this.place();
  }

  drawn(path) {
    this.draft.setAttribute("d", path);
  }

  // The keyboard draws at the centre of the panel.
  aiming(on) {
    this.aim.setAttribute("visibility", on ? "visible" : "hidden");
  }

  place() {
    const { viewer, library, data } = this.panel;
    const { viewport } = viewer;
    const size = viewport.getContainerSize();
    const scale = (viewport.getZoom(true) * size.x) / data.pyramid.width;
    const { x, y } = viewport.pixelFromPoint(new library.Point(0, 0), true);
    this.shapes.setAttribute("transform", `translate(${x} ${y}) scale(${scale})`);
    this.aim.setAttribute("transform", `translate(${size.x / 2} ${size.y / 2})`);
    for (const text of this.names.children) {
      text.setAttribute("x", x + scale * text.dataset.x);
      text.setAttribute("y", y + scale * text.dataset.y - 6);
    }
  }
}

// Draws one shape on the panel that the pointer touches, then stops listening.
export class Pen {
  constructor(owner, onDrawn) {
    Object.assign(this, { owner, onDrawn, tool: null, points: [], panel: null });
    this.buttons = [...owner.root.querySelectorAll("[data-tool]")];
    for (const button of this.buttons)
      button.onclick = () => this.take(this.tool === button.dataset.tool ? null : button.dataset.tool);
  }

  // Follow what happens on a panel.
  watch(panel) {
    const { element } = panel.outlines;
    element.onmousedown = (event) => event.preventDefault(); // the keys stay with the map
    element.onpointerdown = (event) => this.down(panel, event);
    element.onpointermove = (event) => this.move(panel, event);
    element.onpointerup = (event) => this.up(panel, event);
    element.onpointercancel = () => this.clear();
    element.ondblclick = () => this.tool === "polygon" && this.finish();
    // While a tool is chosen, the outlines take all events, so they zoom in OpenSeadragon's place.
    element.onwheel = (event) => {
      event.preventDefault();
      const at = panel.viewer.viewport.pointFromPixel(this.pixel(panel, event), true);
      this.owner.lead(panel);
      panel.viewer.viewport.zoomBy(event.deltaY < 0 ? 1.2 : 1 / 1.2, at);
    };
    // In the capture phase, before OpenSeadragon's own keys.
    panel.at("stage").addEventListener("keydown", (event) => this.key(panel, event), true);
    this.mark(panel);
  }

  take(tool) {
    this.tool = tool;
    this.clear();
    for (const button of this.buttons) button.setAttribute("aria-pressed", button.dataset.tool === tool);
    this.owner.panels.forEach((panel) => this.mark(panel));
    this.owner.at("hint").textContent = HINTS[tool] ?? "";
    if (tool) this.owner.leader?.viewer.canvas.focus({ preventScroll: true });
  }

  mark(panel) {
    panel.outlines.element.classList.toggle("drawing", Boolean(this.tool));
    panel.outlines.aiming(this.tool && this.tool !== "lasso");
  }

  clear() {
    this.panel?.outlines.drawn("");
    Object.assign(this, { points: [], panel: null, dragging: false });
  }

  down(panel, event) {
    if (event.button) return;
    if (this.panel !== panel) this.clear();
    this.panel = panel;
    this.owner.lead(panel);
    panel.viewer.canvas.focus({ preventScroll: true });
    const place = this.place(panel, event);
    if (this.tool === "polygon") return this.corner(place);
    // A drag goes on outside the panel.
    panel.outlines.element.setPointerCapture(event.pointerId);
    Object.assign(this, { points: [place], dragging: true });
  }

  move(panel, event) {
    if (panel !== this.panel) return;
    const place = this.place(panel, event);
    if (this.tool === "polygon") return this.show(place);
    if (!this.dragging) return;
    if (this.tool === "rectangle") this.points = [this.points[0], place];
    else if (this.apart(this.points.at(-1), place) >= STEP) this.points.push(place);
    this.show();
  }

  up(panel) {
    if (this.dragging && panel === this.panel) this.finish();
  }

  key(panel, event) {
    if (!this.tool) return;
    const acts = { Escape: () => this.take(null), Enter: () => this.finish(), " ": () => this.atMiddle(panel), Backspace: () => this.back() };
    if (!(event.key in acts)) return;
    event.preventDefault();
    event.stopPropagation();
    acts[event.key]();
  }

  atMiddle(panel) {
    if (this.tool === "lasso") return;
    if (this.panel !== panel) this.clear();
    this.panel = panel;
    const { x, y } = panel.viewer.viewport.getCenter(true);
    const { width } = panel.data.pyramid;
    this.corner(this.within(panel, { x: x * width, y: y * width }));
    if (this.tool === "rectangle" && this.points.length === 2) this.finish();
  }

  corner(place) {
    if (this.points.length > 2 && this.apart(this.points[0], place) < NEAR) return this.finish();
    const last = this.points.at(-1);
    // A double click sets its corner twice.
    if (!last || last.x !== place.x || last.y !== place.y) this.points.push(place);
    this.show();
  }

  back() {
    this.points.pop();
    this.show();
  }

  // Send the drawn shape to the page; it stays visible until the page answers.
  finish() {
    const { tool, points } = this;
    if (points.length < (tool === "rectangle" ? 2 : 3)) return this.clear();
    const { outlines } = this.panel;
    const ring = this.ring();
    this.take(null);
    outlines.drawn(`M${line(ring)}Z`);
    this.onDrawn(ring.map(({ x, y }) => [x, y]));
  }

  ring() {
    if (this.tool !== "rectangle") return this.points;
    const [a, b] = this.points;
    return [a, { x: b.x, y: a.y }, b, { x: a.x, y: b.y }];
  }

  show(next) {
    if (!this.panel) return;
    const points = this.tool === "rectangle" && this.points.length === 2 ? this.ring() : this.points;
    const all = next ? [...points, next] : points;
    const closed = this.tool === "rectangle" && all.length > 2;
    this.panel.outlines.drawn(all.length ? `M${line(all)}${closed ? "Z" : ""}` : "");
  }

  pixel(panel, event) {
    const box = panel.at("stage").getBoundingClientRect();
    return new panel.library.Point(event.clientX - box.left, event.clientY - box.top);
  }

  place(panel, event) {
    return this.within(panel, panel.place(event));
  }

  // Level-0 px on the slide, to a tenth.
  within(panel, place) {
    const { width, height } = panel.data.pyramid;
    const round = (value, most) => Math.round(10 * Math.min(Math.max(value, 0), most)) / 10;
    return { x: round(place.x, width), y: round(place.y, height) };
  }

  // Distance on the screen.
  apart(a, b) {
    const { viewport } = this.panel.viewer;
    const scale = (viewport.getZoom(true) * viewport.getContainerSize().x) / this.panel.data.pyramid.width;
    return scale * Math.hypot(a.x - b.x, a.y - b.y);
  }
}
