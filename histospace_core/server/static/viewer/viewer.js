// The deep-zoom viewer: panels of genes over one slide that move together and share their settings.
import { openSeadragon } from "./sources.js";
import { Panel } from "./panel.js";
import { Pen } from "./regions.js";
import { positionText } from "./units.js";
import { readValues } from "./values.js";

const LONGEST_WAIT = 8000; // ms after a choice during which older answers of the page's script are ignored

class Viewer {
  constructor(root, library, data) {
    Object.assign(this, { root, library, panels: [], looks: structuredClone(data.looks), leader: null });
    this.at = (name) => root.querySelector(`.${name}`);
    this.pen = new Pen(this, (points) => this.setTriggerValue("drawn", points));
    this.chosen = ({ detail }) => detail.waitUntil(this.ahead(detail));
    this.wire();
  }

  update(data, setStateValue, setTriggerValue) {
    const { token } = data.layer;
    Object.assign(this, { data, setStateValue, setTriggerValue });
    window.addEventListener("histospace:gene", this.chosen); // once, however often it is said
    while (this.panels.length > data.genes.length) this.panels.pop().close();
    if (!this.panels.includes(this.leader)) this.leader = this.panels[0] ?? null;
    this.at("panels").dataset.count = data.genes.length;
    const answered = this.asked?.gene === data.genes[0]?.name || performance.now() > this.asked?.until;
    if (answered) this.asked = null;
    data.genes.forEach((gene, i) => {
      const fresh = !this.panels[i];
      if (fresh) {
        this.panels.push(new Panel(this.library, this));
        this.at("panels").append(this.panels[i].element);
        this.panels[i].open(data);
        this.pen.watch(this.panels[i]);
      }
      const panel = this.panels[i];
      panel.data = data;
      panel.outlines.show(data.regions);
      const late = i === 0 && this.asked && !fresh; // what was chosen since is on its way
      const same = JSON.stringify(panel.gene) === JSON.stringify(gene) && panel.token === token;
      if (!late && !same) panel.show(gene, this.looks);
      panel.token = token;
      // A new panel begins where the others are.
      if (fresh && i) panel.viewer.addOnceHandler("open", () => panel.moveTo(this.leader.viewer));
      this.leader ??= panel;
    });
    this.showLooks();
  }

  // A gene was chosen: show it at once, before the page's script adds its scores.
  async ahead({ run, gene }) {
    const [panel] = this.panels;
    if (run !== this.data.run || !panel || this.data.genes[0].parts) return;
    this.asked = { gene, until: performance.now() + LONGEST_WAIT };
    const found = await readValues(this.data.layer, gene).catch(() => null);
    if (this.asked?.gene !== gene || !found || panel.closed) return;
    const { limits } = found;
    panel.show({ name: gene, layer: gene, limits, interval: null, reliable: true, score: "" }, this.looks);
    await panel.complete;
  }

  wire() {
    const { looks } = this;
    const all = (act) => this.panels.forEach(act);
    const zoom = (factor) => () => this.leader.viewer.viewport.zoomBy(factor);
    this.at("in").onclick = zoom(1.5);
    this.at("out").onclick = zoom(1 / 1.5);
    this.at("home").onclick = () => this.leader.goHome();
    this.at("full").onclick = () => (document.fullscreenElement ? document.exitFullscreen() : this.root.requestFullscreen());
    this.at("shown").onchange = ({ target }) => this.change({ shown: target.checked });
    this.at("opacity").oninput = ({ target }) => {
      looks.opacity = target.valueAsNumber;
      all((panel) => panel.setOpacity(looks));
    };
    this.at("opacity").onchange = () => this.change({});
    this.at("scale").onchange = ({ target }) => this.change({ scale: target.value });
    this.at("grey").onchange = ({ target }) => this.change({ grey: target.checked });
  }

  showLooks() {
    const { looks, data } = this;
    const scale = this.at("scale");
    if (!scale.options.length) for (const name of Object.keys(data.scales)) scale.add(new Option(name, name));
    scale.value = looks.scale;
    this.at("shown").checked = looks.shown;
    this.at("opacity").value = looks.opacity;
    this.at("grey").checked = looks.grey;
    this.at("greying").hidden = !data.n_out_of_domain;
    this.at("n-out-of-domain").textContent = data.n_out_of_domain.toLocaleString("en");
    if (!this.at("position").textContent) this.point(null);
  }

  // Apply what the user set here at once, and pass it on for the URL and the other views.
  change(part) {
    Object.assign(this.looks, part);
    for (const panel of this.panels) {
      panel.showLegend(this.looks);
      panel.paint(this.looks);
    }
    this.showLooks();
    this.setStateValue("looks", structuredClone(this.looks));
  }

  setLimits(gene, limits) {
    const { [gene]: _, ...others } = this.looks.limits;
    this.change({ limits: limits ? { ...others, [gene]: limits } : others });
  }

  // All panels move together: the one that was touched last leads, and the others never lead back.
  lead(panel) {
    this.leader = panel;
  }

  follow(panel) {
    if (panel !== this.leader) return;
    for (const other of this.panels) if (other !== panel) other.moveTo(panel.viewer);
  }

  pointAt(own, place) {
    this.point(place);
    for (const panel of this.panels) panel.pointAt(place, panel === own);
  }

  point(place) {
    const hint = `Values in ${this.data.unit}. Drag to move and scroll to zoom, or use the arrow keys, + and −, and 0 for all tissue.`;
    this.at("position").textContent = place ? positionText(place.x, place.y, this.data.mpp) : hint;
  }

  close() {
    window.removeEventListener("histospace:gene", this.chosen);
    this.panels.splice(0).forEach((panel) => panel.close());
    this.leader = null;
  }
}

// Called at every run of the page's script: the viewer stays, its data may be new.
export default async function ({ data, parentElement, setStateValue, setTriggerValue }) {
  const root = parentElement.querySelector(".viewer");
  root.latest = { data };
  root.opening ??= openSeadragon().then((library) => (root.view = new Viewer(root, library, data)));
  try {
    await root.opening;
  } catch (error) {
    root.opening = null;
    root.querySelector(".position").textContent = `${error.message}: reload the page to try again.`;
    return undefined;
  }
  if (root.latest.data === data) root.view.update(data, setStateValue, setTriggerValue);
  // A call that a later one overtook while the library loaded is cleaned up; the later one stays.
  return () => root.latest.data === data && root.view.close();
}
