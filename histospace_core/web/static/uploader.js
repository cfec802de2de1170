// Sends a file in pieces and goes on after a break: see upload_routes.py for the protocol.
const PIECE = 8 * 1024 * 1024;
const LONGEST_WAIT = 10_000; // ms between two tries
const MOST_TRIES = 40; // in a row without a byte getting through: about six minutes
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// An answer of the server that trying again will not change.
class Refused extends Error {}

function request(method, url, { token, body, headers = {}, onProgress, signal }) {
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest(); // fetch() tells nothing of an upload's progress
    xhr.open(method, url);
    xhr.setRequestHeader("X-Histospace-Token", token);
    for (const [name, value] of Object.entries(headers)) xhr.setRequestHeader(name, value);
    xhr.responseType = "json";
    if (onProgress) xhr.upload.onprogress = (event) => onProgress(event.loaded);
    xhr.onload = () => {
      const answer = xhr.response || {};
      if (xhr.status < 300) resolve(answer);
      else if ([408, 409, 502, 503, 504].includes(xhr.status)) reject(new Error(answer.error));
      else reject(Object.assign(new Refused(answer.error || "The upload failed."), { status: xhr.status }));
    };
    xhr.onerror = xhr.ontimeout = () => reject(new Error("no connection"));
    xhr.onabort = () => reject(new DOMException("cancelled", "AbortError"));
    signal.addEventListener("abort", () => xhr.abort(), { once: true });
    if (signal.aborted) xhr.abort();
    else xhr.send(body);
  });
}

class Upload {
  constructor(root, file, signal, show) {
    Object.assign(this, { root, file, signal, show, id: null, offset: 0 });
    this.memory = ["histospace.upload", root.data.kind, file.name, file.size, file.lastModified].join(":");
  }

  ask(method, path, options = {}) {
    const { token, url } = this.root.data; // the page may have brought a fresh token
    return request(method, url + path, { token, signal: this.signal, ...options });
  }

  async run() {
    await this.begin();
    await this.insist(() => this.send());
    this.show.checking();
    const answer = await this.insist(() => this.ask("POST", `/${this.id}/finish`));
    this.forget();
    return answer;
  }

  async begin() {
    this.id = localStorage.getItem(this.memory);
    if (this.id) {
      try {
        return void (this.offset = (await this.ask("GET", `/${this.id}`)).offset);
      } catch (error) {
        if (!(error instanceof Refused)) throw error; // else it was swept away: begin anew
      }
    }
    const { name, size } = this.file;
    const body = JSON.stringify({ name, size, kind: this.root.data.kind });
    // Not to be aborted: an upload whose id we never learn could not be cancelled.
    const { signal } = new AbortController();
    const answer = await this.insist(() => this.ask("POST", "", { body, signal }));
    [this.id, this.offset] = [answer.id, 0];
    localStorage.setItem(this.memory, this.id);
    if (this.signal.aborted) throw new DOMException("cancelled", "AbortError");
  }

  async send() {
    while (this.offset < this.file.size) {
      if (!this.root.isConnected) throw new DOMException("left", "AbortError");
      const start = this.offset;
      const answer = await this.ask("PUT", `/${this.id}`, {
        body: this.file.slice(start, start + PIECE),
        headers: { "Upload-Offset": start, "Content-Type": "application/octet-stream" },
        onProgress: (sent) => this.show.progress(Math.min(start + sent, this.file.size)),
      });
      this.offset = answer.offset;
      this.tries = 0;
    }
  }

  // Try again after a break, asking first how far the server got.
  async insist(step) {
    this.tries = 0;
    for (;;) {
      try {
        return await step();
      } catch (error) {
        if (error instanceof Refused || error.name === "AbortError") throw error;
        if (++this.tries > MOST_TRIES) throw new Refused("The connection did not come back: choose the same file again to go on.");
        this.show.waiting();
        await sleep(Math.min(LONGEST_WAIT, 250 * 2 ** this.tries));
        if (this.signal.aborted) throw new DOMException("cancelled", "AbortError");
        if (this.id) {
          try {
            this.offset = (await this.ask("GET", `/${this.id}`)).offset;
          } catch (again) {
            if (again instanceof Refused || again.name === "AbortError") throw again;
          }
        }
      }
    }
  }

  forget() {
    localStorage.removeItem(this.memory);
  }
}

function size(bytes) {
  const units = ["B", "kB", "MB", "GB"];
  const k = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), 3);
  return `${(bytes / 1000 ** k).toFixed(k > 1 ? 1 : 0)} ${units[k]}`;
}

// What the user sees. The live region speaks at every change of phase, not at every byte.
function display(root, file) {
  const at = (name) => root.querySelector(`.${name}`);
  let [since, from, last] = [performance.now(), null, null];
  const say = (text, isError = false) => {
    if (last !== text) at("status").textContent = last = text;
    at("status").classList.toggle("error", isError);
  };
  const busy = (is) => {
    at("progress").hidden = !is;
    at("drop").classList.toggle("busy", is);
    at("pick").disabled = is;
  };
  return {
    say,
    start() { busy(true); say(`Uploading ${file.name}`); this.progress(0); from = null; },
    progress(done) {
      if (from === null) [from, since] = [done, performance.now()];
      const speed = (done - from) / Math.max((performance.now() - since) / 1000, 0.001);
      const percent = Math.floor((100 * done) / Math.max(file.size, 1));
      at("done").style.width = `${percent}%`;
      at("bar").setAttribute("aria-valuenow", percent);
      at("figures").textContent = `${percent}% of ${size(file.size)}` + (speed > 0 ? `, ${size(speed)}/s` : "");
      say(`Uploading ${file.name}`);
    },
    waiting() { from = null; say("Connection lost, trying again…"); },
    checking() { at("cancel").hidden = true; say(`Checking ${file.name}…`); },
    end(text, isError) { busy(false); at("cancel").hidden = false; say(text, isError); at("pick").focus({ preventScroll: true }); },
  };
}

async function start(root, file) {
  if (!file || root.control) return;
  const show = display(root, file);
  root.setStateValue("result", null);
  if (file.size > root.data.max_bytes) return show.say(`${file.name} has ${size(file.size)}, and the limit is ${size(root.data.max_bytes)}.`, true);
  root.control = new AbortController();
  const upload = new Upload(root, file, root.control.signal, show);
  show.start();
  try {
    root.setStateValue("result", await upload.run());
    show.end(`${file.name} is uploaded.`);
  } catch (error) {
    if (error.name === "AbortError") {
      if (!root.isConnected) return; // the page was left: the upload can be resumed
      if (upload.id) request("DELETE", `${root.data.url}/${upload.id}`, { token: root.data.token, signal: new AbortController().signal }).catch(() => {});
      upload.forget();
      show.end("Upload cancelled.");
    } else {
      if (error.status) upload.forget();
      show.end(error.message, true);
      root.setStateValue("result", { error: error.message });
    }
  } finally {
    root.control = null;
  }
}

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".uploader");
  Object.assign(root, { data, setStateValue });
  if (root.ready) return; // the script ran again: an upload under way goes on
  root.ready = true;
  const input = root.querySelector("input");
  const drop = root.querySelector(".drop");
  root.querySelector(".label").textContent = data.label;
  root.querySelector(".pick").setAttribute("aria-label", `${data.label}: choose a file`);
  root.querySelector(".pick").onclick = () => input.click();
  root.querySelector(".cancel").onclick = () => root.control?.abort();
  input.onchange = () => { start(root, input.files[0]); input.value = ""; };
  drop.ondragover = (event) => { event.preventDefault(); drop.classList.add("over"); };
  drop.ondragleave = () => drop.classList.remove("over");
  drop.ondrop = (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    const [item] = event.dataTransfer.items;
    if (item?.webkitGetAsEntry?.()?.isDirectory) display(root, {}).say("That is a folder: drop a single file.", true);
    else start(root, event.dataTransfer.files[0]);
  };
}
