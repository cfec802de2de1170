// Two maps of the same spots in one picture, separated by a divider that the user moves.
const TALLEST = 560; // CSS px

class Swipe {
  constructor(root) {
    this.root = root;
    this.at = (name) => root.querySelector(name);
    const [place, stage] = [this.at(".place"), this.at(".stage")];
    place.oninput = () => this.part();
    stage.onpointerdown = (event) => {
      stage.setPointerCapture(event.pointerId);
      this.drag(event);
    };
    stage.onpointermove = (event) => stage.hasPointerCapture(event.pointerId) && this.drag(event);
    this.watch = new ResizeObserver(() => this.draw());
    this.watch.observe(root);
  }

  async update(data) {
    const { image } = this.data ?? {};
    this.data = data;
    if (data.image !== image) this.slide = await loaded(data.image);
    // A later call overtook this one while its picture loaded.
    if (this.data !== data) return;
    for (const [side, half] of [["start", data.left], ["end", data.right]]) {
      this.at(`.name.${side}`).textContent = half.name;
      const legend = this.at(`.legend.${side}`);
      legend.hidden = side === "end" && data.shared;
      legend.querySelector("b").textContent = data.shared ? "both" : half.name;
      legend.querySelector(".low").textContent = half.low;
      legend.querySelector(".high").textContent = `${half.high} ${data.unit}`;
      legend.querySelector(".ramp").style.background = `linear-gradient(to right, ${data.palette.join(",")})`;
    }
    this.at(".left").setAttribute("aria-label", `${data.label}, ${data.left.name}`);
    this.at(".right").setAttribute("aria-label", `${data.label}, ${data.right.name}`);
    this.at(".place").setAttribute("aria-label", `Divider: ${data.left.name} on its left, ${data.right.name} on its right`);
    this.part();
    this.draw();
    this.root.dataset.shown = data.label;
  }

  drag({ clientX }) {
    const { left, width } = this.at(".stage").getBoundingClientRect();
    this.at(".place").value = (100 * (clientX - left)) / width;
    this.part();
  }

  part() {
    const { value } = this.at(".place");
    this.root.style.setProperty("--at", `${value}%`);
    this.at(".place").setAttribute("aria-valuetext", `${value} % ${this.data?.left.name ?? ""}`);
  }

  draw() {
    if (!this.data) return;
    const [x0, y0, x1, y1] = this.data.view;
    const width = Math.min(this.root.clientWidth, (TALLEST * (x1 - x0)) / (y1 - y0));
    if (!width) return;
    const stage = this.at(".stage");
    this.at(".place").style.width = `${width}px`;
    Object.assign(stage.style, { width: `${width}px`, height: `${(width * (y1 - y0)) / (x1 - x0)}px` });
    for (const [name, half] of [[".left", this.data.left], [".right", this.data.right]]) {
      const canvas = this.at(name);
      canvas.width = stage.clientWidth * devicePixelRatio;
      canvas.height = stage.clientHeight * devicePixelRatio;
      const pen = canvas.getContext("2d");
      const zoom = canvas.width / (x1 - x0);
      pen.setTransform(zoom, 0, 0, zoom, -x0 * zoom, -y0 * zoom); // from level-0 px
      pen.fillStyle = "#f3f1f2";
      pen.fillRect(x0, y0, x1 - x0, y1 - y0);
      if (this.slide) pen.drawImage(this.slide, 0, 0, this.data.width, this.data.height);
      this.data.spots.forEach(([x, y], i) => {
        pen.fillStyle = this.data.palette[half.colours[i]];
        pen.beginPath();
        pen.arc(x, y, this.data.radius, 0, 2 * Math.PI);
        pen.fill();
      });
    }
  }
}

// The slide's picture, or none if it is not available.
async function loaded(url) {
  if (!url) return null;
  const picture = new Image();
  picture.src = url;
  return picture.decode().then(() => picture, () => null);
}

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".swipe");
  root.view ??= new Swipe(root);
  root.view.update(data);
}
