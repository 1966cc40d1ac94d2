// What happens in the user's conversations, in this tab or anywhere else, as it happens.

import { events, open, Problem, wait } from "./api.js";

const LONGEST_REST = 10;

export class Changes extends EventTarget {
  #stopping = new AbortController();
  #place = null;

  constructor() {
    super();
    this.connected = true;
    this.#listen();
  }

  stop() {
    this.#stopping.abort();
  }

  async #listen() {
    const signal = this.#stopping.signal;
    let rest = 0.5;
    try {
      while (true) {
        try {
          const headers = { Accept: "text/event-stream", ...(this.#place && { "Last-Event-ID": this.#place }) };
          const answer = await open("GET", "/api/changes", { headers, signal });
          rest = 0.5;
          for await (const event of events(answer)) {
            this.#tell(true);
            if (event.id) this.#place = event.id;
            if (event.name === "change") this.dispatchEvent(new CustomEvent("change", { detail: event.data }));
            if (event.name === "look-again") this.dispatchEvent(new Event("look-again"));
          }
        } catch (failed) {
          if (!(failed instanceof Problem)) throw failed;
          if (failed.status === 401 || failed.status === 403) {
            this.dispatchEvent(new CustomEvent("turned-away", { detail: failed }));
            return;
          }
          if (failed.status === 400) this.#place = null;
          if (failed.type === "record-restored") {
            this.#place = null;
            this.dispatchEvent(new Event("look-again"));
          }
          this.#tell(false);
        }
        await wait(rest * (0.75 + Math.random() / 2), signal);
        rest = Math.min(LONGEST_REST, rest * 2);
      }
    } catch (failed) {
      if (!signal.aborted) throw failed;
    }
  }

  #tell(connected) {
    if (connected === this.connected) return;
    this.connected = connected;
    this.dispatchEvent(new Event("connection"));
  }
}
