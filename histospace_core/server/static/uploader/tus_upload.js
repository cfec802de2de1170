// Uploads a file with tus-js-client, then has the server check it and take it in.
import "../tus/tus.min.js"; // a classic script: it defines window.tus

const CHUNK = 8 * 1024 * 1024;
// In a row without a byte getting through: 40 attempts in about six minutes.
const RETRY_DELAYS = Array.from({ length: 40 }, (_, n) => Math.min(10_000, 500 * 2 ** n));
const PASSING = [0, 408, 409, 502, 503, 504]; // answers that another attempt may change; 0 is none
const EXPIRED = "This page has expired: reload it and try again.";
const GONE = "The connection did not come back: choose the same file again to continue.";
const PREFIX = "tus::"; // of the keys that tus-js-client stores its uploads under
const storage = window.tus.defaultOptions.urlStorage;
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const stopped = () => new DOMException("stopped", "AbortError");

// A refusal that another attempt will not change.
export class Refused extends Error {}

// Identifies a file in this browser: chosen again after a reload, its upload continues.
export const fingerprint = (kind, file) => ["histospace", kind, file.name, file.size, file.lastModified].join(":");

function sentence(body, fallback = "The upload failed.") {
  try {
    return JSON.parse(body).error || fallback;
  } catch {
    return fallback;
  }
}

// Uploads that an earlier visit of this browser began, with the bytes that the server has.
export async function unfinished({ kind, token }) {
  const found = [];
  const busy = new Set(((await navigator.locks?.query())?.held ?? []).map((lock) => lock.name));
  for (const { urlStorageKey, uploadUrl, size, metadata } of await storage.findAllUploads()) {
    const key = urlStorageKey.slice(PREFIX.length, urlStorageKey.lastIndexOf("::"));
    if (!key.startsWith(`histospace:${kind}:`) || busy.has(key)) continue; // busy: another tab sends it
    const answer = await fetch(uploadUrl, { method: "HEAD", headers: protocol(token) }).catch(() => null);
    if (answer?.status === 404) storage.removeUpload(urlStorageKey); // it has expired
    else if (answer?.ok) found.push({ key, name: metadata.filename, size, offset: Number(answer.headers.get("Upload-Offset")) });
  }
  return found;
}

// Removes what this browser and the server have of an upload.
export async function discard({ token }, key) {
  for (const { urlStorageKey, uploadUrl } of await storage.findUploadsByFingerprint(key)) {
    storage.removeUpload(urlStorageKey);
    // The server may have deleted it already.
    window.tus.Upload.terminate(uploadUrl, { headers: { "X-Histospace-Token": token } }).catch(() => {});
  }
}

const protocol = (token) => ({ "X-Histospace-Token": token, "Tus-Resumable": "1.0.0" });

// The upload of one file. It calls show.progress(bytes), show.waiting() and show.checking().
export class Transfer {
  constructor(root, file, signal, show) {
    Object.assign(this, { root, file, signal, show });
    this.key = fingerprint(root.data.kind, file);
  }

  // Two tabs would interrupt each other; the second one is refused.
  run() {
    if (!navigator.locks) return this.send(); // not on a secure address
    return navigator.locks.request(this.key, { ifAvailable: true }, (lock) => {
      if (!lock) throw new Refused(`${this.file.name} is being sent by another tab of this browser.`);
      return this.send();
    });
  }

  async send() {
    const previous = await storage.findUploadsByFingerprint(this.key);
    const url = await new Promise((resolve, reject) => {
      const upload = new window.tus.Upload(this.file, this.options(resolve, reject, () => upload));
      this.signal.addEventListener("abort", () => {
        // A creation under way must end first: what has no address yet cannot be cancelled.
        if (upload.url) this.stop(upload, reject);
      });
      if (previous.length) upload.resumeFromPreviousUpload(previous[0]);
      upload.start();
    });
    this.show.checking();
    const answer = await this.finish(url);
    this.forget();
    return answer;
  }

  options(resolve, reject, upload) {
    const { kind, url } = this.root.data;
    return {
      endpoint: new URL(url, document.baseURI).href,
      metadata: { filename: this.file.name, kind },
      fingerprint: async () => this.key,
      chunkSize: CHUNK,
      retryDelays: RETRY_DELAYS,
      onBeforeRequest: (request) => {
        if (!this.root.isConnected) throw stopped(); // the user has left the page
        request.setHeader("X-Histospace-Token", this.root.data.token); // the page may have renewed it
      },
      onAfterResponse: (request, response) => {
        // tus-js-client takes this answer to HEAD for the end of the upload and begins another.
        if (response.getStatus() === 403) throw new Refused(sentence(response.getBody(), EXPIRED));
      },
      onUploadUrlAvailable: () => this.signal.aborted && this.stop(upload(), reject),
      onProgress: (sent) => this.show.progress(sent),
      onShouldRetry: (error, attempt) => this.mayRetry(error, attempt),
      onSuccess: () => resolve(upload().url),
      onError: (error) => reject(this.reason(error)),
    };
  }

  stop(upload, reject) {
    upload.abort();
    reject(stopped());
  }

  mayRetry({ originalResponse, causingError }) {
    const known = causingError instanceof Refused || causingError?.name === "AbortError";
    if (known || this.signal.aborted) return false;
    if (!PASSING.includes(originalResponse?.getStatus() ?? 0)) return false;
    this.show.waiting();
    return true;
  }

  // What went wrong, without the client's own account of the request.
  reason(error) {
    const { originalRequest, originalResponse, causingError } = error;
    if (this.signal.aborted) return stopped();
    if (causingError instanceof Refused || causingError?.name === "AbortError") return causingError;
    if (!originalRequest) return error; // not about the network: the file cannot be read, for instance
    if (!originalResponse) return new Refused(GONE);
    if (!PASSING.includes(originalResponse.getStatus())) this.forget();
    return new Refused(sentence(originalResponse.getBody()));
  }

  async finish(url) {
    // `null`: after the last attempt there is nothing to wait for.
    for (const delay of [...RETRY_DELAYS, null]) {
      const headers = { "X-Histospace-Token": this.root.data.token };
      const answer = await fetch(`${url}/finish`, { method: "POST", headers }).catch(() => null);
      if (answer?.ok) return answer.json();
      if (answer && !PASSING.includes(answer.status)) {
        // After 403 only the page has expired: a new one continues the upload.
        if (answer.status !== 403) this.forget();
        throw new Refused(sentence(await answer.text()));
      }
      if (delay === null) break;
      this.show.waiting();
      await sleep(delay);
    }
    throw new Refused(GONE);
  }

  async forget() {
    for (const { urlStorageKey } of await storage.findUploadsByFingerprint(this.key)) storage.removeUpload(urlStorageKey);
  }
}
