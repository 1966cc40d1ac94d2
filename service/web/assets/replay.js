// A replay that is started here and watched to its end.

import { call, events, open, Problem, wait } from "./api.js";
import * as clock from "./clock.js";
import { announce, button, h, replace } from "./dom.js";
import { number } from "./chart.js";

const OUTCOMES = {
  replay: { done: "Built, and live." },
  check: { done: "Equal: every row is what the log says.", differs: "It differs from what the log says." },
};
const BROKEN_OFF = {
  failed: "It failed.",
  stopped: "It was stopped; the next one goes on from there.",
};

export class Replay {
  #watching = false;

  constructor(names) {
    this.boxes = names.map((name) => h("input", { type: "checkbox", value: name, checked: true }));
    this.told = h("p", { class: "notice replay-told", role: "alert", hidden: true });
    this.progress = h("div", { class: "replay-progress", "aria-live": "polite" });
    this.starters = [
      button("Check", { onclick: () => this.#start(true) }),
      button("Build anew", { class: "button-primary", onclick: () => this.#start(false) }),
    ];
    this.element = h(
      "section",
      {},
      h("h2", {}, "Replay"),
      h("p", { class: "replay-hint" }, "Check compares what is read with the log and changes nothing. Build anew makes new tables beside the ones that are read, and then switches."),
      h(
        "div",
        { class: "replay-start" },
        h("fieldset", {}, h("legend", { class: "aloud" }, "Projections"), ...this.boxes.map((box) => h("label", {}, box, box.value))),
        ...this.starters,
      ),
      this.told,
      this.progress,
    );
  }

  // One that somebody else has started is watched too.
  async look() {
    try {
      const [latest] = (await call("GET", "/api/admin/replays")).replays;
      if (latest) await this.#watch(latest);
    } catch (failed) {
      this.#cannot(failed);
    }
  }

  async #start(check) {
    this.told.hidden = true;
    const projections = this.boxes.filter((box) => box.checked).map((box) => box.value);
    try {
      await this.#watch(await call("POST", "/api/admin/replays", { body: { projections, check } }));
    } catch (failed) {
      this.#cannot(failed);
    }
  }

  async #watch(replay) {
    if (this.#watching) return;
    this.#watching = true;
    try {
      this.#show(replay);
      while (!replay.ended_at && this.element.isConnected) {
        try {
          const answer = await open("GET", `/api/admin/replays/${replay.id}/stream`, { headers: { Accept: "text/event-stream" } });
          for await (const event of events(answer)) {
            if (!this.element.isConnected) return;
            replay = event.data;
            this.#show(replay);
          }
        } catch (failed) {
          if (!failed.isAway) throw failed;
          await wait(1);
        }
      }
    } finally {
      this.#watching = false;
      this.starters.forEach((each) => (each.disabled = false));
    }
  }

  #show(replay) {
    this.starters.forEach((each) => (each.disabled = !replay.ended_at));
    const what = `${replay.kind === "check" ? "Checking" : "Building"} ${replay.projections.join(", ")}`;
    if (replay.ended_at) {
      const outcome = OUTCOMES[replay.kind][replay.outcome] ?? BROKEN_OFF[replay.outcome];
      const look = replay.outcome === "done" ? "verdict-holds" : "verdict-broken";
      announce(outcome);
      replace(
        this.progress,
        h("p", { class: `verdict ${look} replay-outcome` }, `${what}, ended ${clock.full(replay.ended_at)}: ${outcome}`),
        replay.report.length ? h("pre", { tabindex: "0", "aria-label": "Report" }, replay.report.join("\n")) : null,
      );
      return;
    }
    const left = replay.seconds_left === null ? "" : `, ${number(replay.seconds_left)} s left`;
    const speed = replay.per_second ? ` at ${number(replay.per_second)} a second${left}` : "";
    const bar = h("progress", { max: replay.total || 1, value: replay.done, "aria-label": what });
    const far = replay.total ? `${number(replay.done)} of ${number(replay.total)} events${speed}` : "";
    replace(this.progress, h("p", {}, `${what}: ${replay.stage}`), bar, h("p", { class: "replay-hint" }, far));
  }

  #cannot(failed) {
    if (!(failed instanceof Problem)) throw failed;
    this.told.hidden = false;
    replace(this.told, failed.message);
  }
}
