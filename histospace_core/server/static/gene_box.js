// A field to choose a gene by any part of any of its names. It tells the viewer at once, and then the
// page's script, which takes longer.
const MOST_SHOWN = 60;
const LONGEST_WAIT = 8000; // ms after a choice during which older answers of the page's script are ignored
const HEAD_START = 400; // ms at most that the map may take before the page's script runs

class GeneBox {
  constructor(root) {
    this.root = root;
    this.at = (name) => root.querySelector(name);
    [this.input, this.list] = [this.at("input"), this.at("ul")];
    this.input.onmousedown = () => this.open();
    this.input.oninput = () => this.open(this.input.value);
    this.input.onblur = () => this.close();
    this.input.onkeydown = (event) => this.key(event);
    // Not onclick: before it, the field would lose the focus and close the list.
    this.list.onmousedown = (event) => {
      event.preventDefault(); // the field keeps the focus
      const option = event.target.closest("[role=option]");
      if (option) this.pick(option.dataset.gene);
    };
  }

  update(data, tell) {
    Object.assign(this, { data, tell });
    if (this.asked?.gene === data.gene || performance.now() > this.asked?.until) this.asked = null;
    this.at("label").textContent = data.label;
    if (this.list.hidden) this.input.value = this.shown();
  }

  // The latest choice takes precedence over an older answer of the page's script.
  shown() {
    return this.asked?.gene ?? this.data.gene;
  }

  open(text = "") {
    if (this.list.hidden && !text) this.input.select();
    const found = search(this.data.genes, text);
    this.matches = found.slice(0, MOST_SHOWN);
    this.list.replaceChildren(...this.matches.map(([gene, label], i) => item({ id: `gene-${i}`, role: "option" }, label, gene)));
    if (!found.length) this.list.append(item({ class: "none" }, `This run has no gene called “${text}”.`));
    const more = found.length - this.matches.length;
    if (more) this.list.append(item({ class: "more" }, `${more.toLocaleString("en")} more: type part of a name`));
    this.at(".count").textContent = text && `${found.length} found`;
    this.list.hidden = false;
    this.input.setAttribute("aria-expanded", "true");
    const current = text ? 0 : this.matches.findIndex(([gene]) => gene === this.shown());
    this.move(Math.min(current, this.matches.length - 1));
  }

  move(to) {
    this.active = to;
    this.list.querySelectorAll("[role=option]").forEach((option, i) => {
      option.setAttribute("aria-selected", i === to);
      if (i === to) option.scrollIntoView({ block: "nearest" });
    });
    if (to < 0) this.input.removeAttribute("aria-activedescendant");
    else this.input.setAttribute("aria-activedescendant", `gene-${to}`);
  }

  key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      if (this.list.hidden) return this.open();
      return this.move(Math.max(0, Math.min(this.matches.length - 1, this.active + step)));
    }
    if (this.list.hidden) return undefined;
    if (event.key === "Enter" && this.matches[this.active]) this.pick(this.matches[this.active][0]);
    if (event.key === "Escape") this.close();
    return undefined;
  }

  pick(gene) {
    const { run } = this.data;
    const changed = gene !== this.shown();
    if (changed) this.asked = { gene, until: performance.now() + LONGEST_WAIT };
    this.close();
    if (!changed) return;
    const shown = [];
    const waitUntil = (promise) => shown.push(promise);
    window.dispatchEvent(new CustomEvent("histospace:gene", { detail: { run, gene, waitUntil } }));
    const late = new Promise((resolve) => setTimeout(resolve, HEAD_START));
    // a choice that was overtaken does nothing
    Promise.race([Promise.all(shown), late]).then(() => this.asked?.gene === gene && this.tell("gene", gene));
  }

  close() {
    this.list.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
    this.input.value = this.shown();
  }
}

function item(attributes, text, gene) {
  const li = document.createElement("li");
  for (const [name, value] of Object.entries(attributes)) li.setAttribute(name, value);
  li.textContent = text;
  if (gene) li.dataset.gene = gene;
  return li;
}

// Genes whose label contains every word; those whose symbol starts with the text come first.
function search(genes, text) {
  const wanted = text.trim().toLowerCase();
  const words = wanted.split(/\s+/);
  const found = genes.filter(([, label]) => words.every((word) => label.toLowerCase().includes(word)));
  const begins = ([gene]) => wanted && gene.toLowerCase().startsWith(wanted);
  return [...found.filter((one) => begins(one)), ...found.filter((one) => !begins(one))];
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".gene-box");
  root.box ??= new GeneBox(root);
  root.box.update(data, setTriggerValue);
}
