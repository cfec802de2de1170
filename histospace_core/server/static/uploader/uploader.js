// An upload field: files are chosen or dropped, and sent one after the other.
import { Row, size } from "./row.js";
import { Refused, Transfer, discard, fingerprint, unfinished } from "./tus_upload.js";

class Field {
  constructor(root) {
    Object.assign(this, { root, rows: [], results: [], sending: null });
    const at = (name) => root.querySelector(`.${name}`);
    [this.template, this.list, this.pick, this.status] = [at("row"), at("files"), at("pick"), at("status")];
    const { label, several } = root.data;
    const [input, zone] = [root.querySelector("input"), at("drop")];
    at("label").textContent = label;
    this.pick.textContent = several ? "Choose files" : "Choose a file";
    this.pick.setAttribute("aria-label", `${label}: choose ${several ? "files" : "a file"}`);
    at("hint").textContent = several ? "or drop them here; keep this page open until they are uploaded" : "or drop it here";
    input.multiple = several;
    this.pick.onclick = () => input.click();
    // The input is emptied, for the same file chosen again would otherwise be no change.
    input.onchange = () => { this.add([...input.files]); input.value = ""; };
    // Otherwise the browser opens a dropped file in place of the page.
    zone.ondragover = (event) => { event.preventDefault(); zone.classList.add("over"); };
    zone.ondragleave = () => zone.classList.remove("over");
    zone.ondrop = (event) => {
      event.preventDefault();
      zone.classList.remove("over");
      // `files` lists a folder like a file, which then cannot be read.
      const folder = [...event.dataTransfer.items].some((item) => item.webkitGetAsEntry?.()?.isDirectory);
      if (folder) this.say("That is a folder: drop the files in it.", true);
      else this.add([...event.dataTransfer.files]);
    };
    if (several) this.remember();
  }

  get data() {
    return this.root.data;
  }

  // Uploads of an earlier visit are listed until their files are chosen again.
  async remember() {
    for (const left of await unfinished(this.data)) {
      if (this.rows.some((row) => row.key === left.key)) continue;
      const row = new Row(this, left, Row.WANTED);
      row.key = left.key;
      row.progress(left.offset);
      this.rows.push(row);
    }
  }

  add(files) {
    const busy = this.rows.some((row) => row.state !== Row.WANTED);
    if (!files.length || (busy && !this.data.several)) return;
    if (!busy) this.report([]);
    for (const file of this.data.several ? files : files.slice(0, 1)) {
      const key = fingerprint(this.data.kind, file);
      const known = this.rows.findIndex((row) => row.key === key);
      if (known >= 0 && this.rows[known].state !== Row.WANTED) continue; // chosen twice
      if (file.size > this.data.max_bytes) {
        this.end(file, { error: `${file.name} is ${size(file.size)}; the limit is ${size(this.data.max_bytes)}.` });
        continue;
      }
      if (known >= 0) this.rows.splice(known, 1)[0].remove();
      this.rows.push(Object.assign(new Row(this, file), { key }));
    }
    this.work();
  }

  async work() {
    if (this.sending) return;
    while ((this.sending = this.rows.find((row) => row.state === Row.WAITING))) await this.sendOne(this.sending);
    const left = this.rows.length;
    if (!this.data.several) this.pick.disabled = false;
    if (!left && this.root.isConnected) this.pick.focus({ preventScroll: true });
  }

  async sendOne(row) {
    row.control = new AbortController();
    row.become(Row.SENDING);
    if (!this.data.several) this.pick.disabled = true;
    const phase = `Uploading ${row.file.name}`;
    const transfer = new Transfer(this.root, row.file, row.control.signal, {
      progress: (done) => { row.progress(done); this.say(phase); },
      waiting: () => { row.become(Row.SENDING); this.say("Connection lost, trying again…"); },
      checking: () => { row.checking(); this.say(`Checking ${row.file.name}…`); },
    });
    this.say(phase);
    try {
      this.end(row.file, await transfer.run());
    } catch (error) {
      if (error.name !== "AbortError") {
        if (!(error instanceof Refused)) console.error(error);
        this.end(row.file, { error: error.message });
      } else if (row.cancelled) {
        this.drop(row);
        return;
      } else if (row.state === Row.PAUSED || row.state === Row.WAITING) {
        return; // WAITING: it was paused and resumed before the request had ended
      }
      // else the user has left the page: the upload can be resumed
    }
    this.forget(row);
  }

  // The user cancels an upload: what the server has of it is deleted too.
  drop(row) {
    discard(this.data, row.key);
    this.forget(row);
    this.say("Upload cancelled.");
  }

  forget(row) {
    this.rows = this.rows.filter((other) => other !== row);
    row.remove();
  }

  end(file, answer) {
    // A page with several files lists the reasons itself.
    const refused = this.data.several ? `${file.name} was not accepted.` : answer.error;
    this.say("error" in answer ? refused : `${file.name} is uploaded.`, "error" in answer);
    this.report([...this.results, { name: file.name, ...answer }]);
  }

  report(results) {
    this.results = results;
    if (this.root.isConnected) this.root.setStateValue("results", results);
  }

  // The live region speaks at every change of phase, not at every byte.
  say(text, isError = false) {
    if (this.status.textContent !== text) this.status.textContent = text;
    this.status.classList.toggle("error", isError);
  }
}

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".uploader");
  Object.assign(root, { data, setStateValue }); // the script may have run again: a fresh token
  root.field ??= new Field(root);
}
