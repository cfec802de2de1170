// One file of an upload field: its progress, speed and buttons.
export function size(bytes) {
  const units = ["B", "kB", "MB", "GB"];
  const k = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), 3);
  return `${(bytes / 1000 ** k).toFixed(k > 1 ? 1 : 0)} ${units[k]}`;
}

function duration(seconds) {
  if (seconds < 90) return `${Math.max(1, Math.ceil(seconds))} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

const WAITING = "waiting", SENDING = "sending", PAUSED = "paused", WANTED = "wanted";

export class Row {
  // `file` is a File, or the name and size of one that an earlier visit began.
  constructor(field, file, state = WAITING) {
    Object.assign(this, { field, file, done: 0, samples: [] });
    this.at = field.template.content.cloneNode(true).firstElementChild;
    this.part("name").textContent = file.name;
    this.part("bar").setAttribute("aria-label", `Upload of ${file.name}`);
    this.part("pause").onclick = () => (this.state === PAUSED ? this.goOn() : this.pause());
    this.part("cancel").onclick = () => this.cancel();
    field.list.append(this.at);
    this.become(state);
  }

  part(name) {
    return this.at.querySelector(`.${name}`);
  }

  become(state) {
    this.state = state;
    // A pause must not count as slow sending.
    this.samples = [];
    this.part("pause").hidden = state === WANTED || state === WAITING;
    this.name("pause", state === PAUSED ? "Resume" : "Pause");
    this.name("cancel", state === WANTED ? "Discard" : "Cancel");
    this.draw();
  }

  name(button, label) {
    this.part(button).textContent = label;
    this.part(button).setAttribute("aria-label", `${label}: ${this.file.name}`);
  }

  progress(done) {
    this.done = done;
    const now = performance.now();
    this.samples.push([now, done]);
    // The speed of the last ten seconds: a mean over all would hide a change.
    while (this.samples.length > 2 && now - this.samples[0][0] > 10_000) this.samples.shift();
    this.draw();
  }

  draw() {
    const percent = Math.floor((100 * this.done) / Math.max(this.file.size, 1));
    const [first, last] = [this.samples[0], this.samples.at(-1)];
    const speed = first && last[0] > first[0] ? (1000 * (last[1] - first[1])) / (last[0] - first[0]) : 0;
    const pace = speed > 0 ? `, ${size(speed)}/s, ${duration((this.file.size - this.done) / speed)} left` : "";
    const words = {
      [WAITING]: `${size(this.file.size)}, waiting`,
      [SENDING]: `${percent}% of ${size(this.file.size)}${pace}`,
      [PAUSED]: `${percent}% of ${size(this.file.size)}, paused`,
      [WANTED]: `${percent}% of ${size(this.file.size)} uploaded: choose this file again to resume`,
    };
    this.part("figures").textContent = words[this.state];
    this.part("done").style.width = `${percent}%`;
    this.part("bar").setAttribute("aria-valuenow", percent);
    this.part("bar").setAttribute("aria-valuetext", words[this.state]);
  }

  checking() {
    this.part("pause").hidden = this.part("cancel").hidden = true;
    this.part("figures").textContent = `${size(this.file.size)}, checking`;
  }

  pause() {
    this.become(PAUSED);
    this.field.say(`${this.file.name} is paused.`);
    this.control?.abort();
  }

  goOn() {
    this.become(WAITING);
    this.field.work();
  }

  cancel() {
    this.cancelled = true;
    if (this.state === SENDING) this.control.abort();
    else this.field.drop(this);
  }

  remove() {
    this.at.remove();
  }
}

Object.assign(Row, { WAITING, SENDING, PAUSED, WANTED });
