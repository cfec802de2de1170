// Sends a file in pieces and goes on after a break: see upload_routes.py for the protocol.
const PIECE = 8 * 1024 * 1024;
const LONGEST_WAIT = 10_000; // ms between two tries
const MOST_TRIES = 40; // in a row without a byte getting through: about six minutes
const MEMORY = "histospace.upload";
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// An answer of the server that trying again will not change.
export class Refused extends Error {}

// What this browser calls a file: chosen again after a reload, it goes on where it stopped.
const memory = (kind, file) => [MEMORY, kind, file.name, file.size, file.lastModified].join(":");

export function request(method, url, { token, body, headers = {}, onProgress, signal }) {
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
    xhr.onabort = () => reject(new DOMException("stopped", "AbortError"));
    signal?.addEventListener("abort", () => xhr.abort(), { once: true });
    if (signal?.aborted) xhr.abort();
    else xhr.send(body);
  });
}

// Uploads that an earlier visit of this browser has left, with how far the server has them.
export async function unfinished({ kind, url, token }) {
  const found = [];
  const busy = new Set(((await navigator.locks?.query())?.held ?? []).map((lock) => lock.name));
  for (const key of Object.keys(localStorage)) {
    if (!key.startsWith(`${MEMORY}:${kind}:`) || busy.has(key)) continue; // or another tab sends it
    const [size, name] = [Number(key.split(":").at(-2)), key.split(":").slice(2, -2).join(":")];
    try {
      const id = localStorage.getItem(key);
      const { offset } = await request("GET", `${url}/${id}`, { token });
      found.push({ key, id, name, size, offset });
    } catch (error) {
      if (error.status === 404) localStorage.removeItem(key); // swept away
    }
  }
  return found;
}

export async function discard({ url, token }, key, id) {
  localStorage.removeItem(key);
  if (id) await request("DELETE", `${url}/${id}`, { token }).catch(() => {});
}

// One file on its way. `show` is told: progress(bytes), waiting(), checking().
export class Transfer {
  constructor(root, file, signal, show) {
    Object.assign(this, { root, file, signal, show, id: null, offset: 0 });
    this.key = memory(root.data.kind, file);
  }

  static key(kind, file) {
    return memory(kind, file);
  }

  ask(method, path, options = {}) {
    const { token, url } = this.root.data; // the page may have brought a fresh token
    return request(method, url + path, { token, signal: this.signal, ...options });
  }

  // Two tabs would take the turn from each other: the second one is told.
  run() {
    if (!navigator.locks) return this.whole(); // not on a secure address
    return navigator.locks.request(this.key, { ifAvailable: true }, (lock) => {
      if (!lock) throw new Refused(`${this.file.name} is being sent by another tab of this browser.`);
      return this.whole();
    });
  }

  async whole() {
    await this.begin();
    await this.insist(() => this.send());
    this.show.checking();
    const answer = await this.insist(() => this.ask("POST", `/${this.id}/finish`));
    this.forget();
    return answer;
  }

  async begin() {
    this.id = localStorage.getItem(this.key);
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
    const answer = await this.insist(() => this.ask("POST", "", { body, signal: undefined }));
    [this.id, this.offset] = [answer.id, 0];
    localStorage.setItem(this.key, this.id);
    this.signal.throwIfAborted();
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
        this.signal.throwIfAborted();
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
    localStorage.removeItem(this.key);
  }
}
