// A replay that is started here and watched to its end.

import { call, Problem, wait } from "./api.js";
import * as clock from "./clock.js";
import { announce, button, h, replace } from "./dom.js";
import { number } from "./chart.js";

const EVERY = 0.5;
const OUTCOMES = {
  done: "Built, and live.",
  equal: "Equal: every row is what the log says.",
  differs: "It differs from what the log says.",
  failed: "It failed.",
  stopped: "It was stopped; the next one goes on from there.",
};

export class Replay {
  #watching = false;

  constructor(names) {
    this.boxes = names.map((name) => h("input", { type: "checkbox", value: name, checked: true }));
    this.told = h("p", { class: "told", role: "alert", hidden: true });
    this.progress = h("div", { class: "progress", "aria-live": "polite" });
    this.starters = [
      button("Check", { onclick: () => this.#start(true) }),
      button("Build anew", { class: "primary", onclick: () => this.#start(false) }),
    ];
    this.element = h(
      "section",
      {},
      h("h2", {}, "Replay"),
      h("p", { class: "hint" }, "Check compares what is read with the log and changes nothing. Build anew makes new tables beside the ones that are read, and then switches."),
      h(
        "div",
        { class: "starting" },
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
      const current = await call("GET", "/api/admin/replays/current");
      if (current) await this.#watch(current);
    } catch (failed) {
      if (failed.status !== 404) this.#cannot(failed);
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
      while (true) {
        this.#show(replay);
        if (replay.ended_at) return;
        await wait(EVERY);
        if (!this.element.isConnected) return;
        try {
          replay = await call("GET", `/api/admin/replays/${replay.id}`);
        } catch (failed) {
          if (!failed.isAway) throw failed;
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
      const outcome = OUTCOMES[replay.outcome] ?? replay.outcome;
      announce(outcome);
      replace(
        this.progress,
        h("p", { class: `verdict ${replay.outcome === "done" || replay.outcome === "equal" ? "holds" : "broken"}` }, `${what}, ended ${clock.full(replay.ended_at)}: ${outcome}`),
        replay.report.length ? h("pre", { tabindex: "0", "aria-label": "Report" }, replay.report.join("\n")) : null,
      );
      return;
    }
    const left = replay.seconds_left === null ? "" : `, ${number(replay.seconds_left)} s left`;
    const speed = replay.per_second ? ` at ${number(replay.per_second)} a second${left}` : "";
    const bar = h("progress", { max: replay.total || 1, value: replay.done, "aria-label": what });
    replace(this.progress, h("p", {}, `${what}: ${replay.stage}`), bar, h("p", { class: "hint" }, `${number(replay.done)} of ${number(replay.total)} events${speed}`));
  }

  #cannot(failed) {
    if (!(failed instanceof Problem)) throw failed;
    this.told.hidden = false;
    replace(this.told, failed.message);
  }
}
