// How the service is doing: what is said a minute, what is behind, what each day held, and replays as they run.

import { call, Problem, query, wait } from "./api.js";
import { barChart, lineChart, number } from "./chart.js";
import * as clock from "./clock.js";
import { announce, h, icon, replace } from "./dom.js";
import { Replay } from "./replay.js";

const EVERY = 2;
const MINUTES = 60;

// Shown at once, and filled when its answers come.
export async function page(_, show) {
  document.title = "The service · Hansard";
  const bar = h(
    "header",
    { class: "page-bar page-top" },
    h("a", { class: "button-sign", href: "/", "data-go": "", "aria-label": "Back to the conversations" }, icon("back")),
    h("h1", { class: "page-title", tabindex: "-1" }, "The service"),
  );
  const content = h("div", {}, h("p", { class: "notice-state" }, "Loading…"));
  show(h("main", { class: "page" }, bar, content));
  try {
    const status = await call("GET", "/api/admin/status");
    const board = new Board(status);
    replace(content, board.element);
    board.watch().catch((failed) => announce(failed.message));
  } catch (failed) {
    if (!(failed instanceof Problem)) throw failed;
    const words = failed.status === 403 ? "This page needs a service key with the scope admin." : failed.message;
    replace(content, h("div", { class: "notice-empty", role: "alert" }, h("p", {}, words)));
  }
}

class Board {
  constructor(status) {
    this.away = h("p", { class: "notice service-told", role: "status", hidden: true });
    this.summary = h("dl", { class: "service-summary" });
    this.activity = h("div");
    this.latency = h("div");
    this.projections = h("div", { class: "table", tabindex: "0", role: "region", "aria-label": "Projections" });
    this.unreached = h("div");
    this.parked = h("div");
    this.usage = h("div");
    this.replay = new Replay(status.projections.map((each) => each.name));
    this.element = h(
      "div",
      { class: "service" },
      this.away,
      this.unreached,
      this.summary,
      h("div", { class: "service-charts" }, this.activity, this.latency),
      h("section", {}, h("h2", {}, "Projections"), this.projections, this.parked),
      this.replay.element,
      h("section", {}, h("h2", {}, "Days"), this.usage),
    );
    this.#show(status);
  }

  // As long as the page is shown.
  async watch() {
    this.replay.look();
    await Promise.all([this.#moving(), this.#days()]);
    while (true) {
      await wait(EVERY);
      if (!this.element.isConnected) return;
      try {
        this.#show(await call("GET", "/api/admin/status"));
        await this.#moving();
        this.away.hidden = true;
      } catch (failed) {
        this.away.hidden = false;
        replace(this.away, `${failed.message} Trying again…`);
      }
    }
  }

  #show(status) {
    const facts = [
      ["Events", number(status.events)],
      ["Shards", String(status.shards)],
      ["Lanes", lanes(status.lanes)],
      ["PostgreSQL", [status.postgresql, status.topology].filter(Boolean).join(", ")],
      ["Replies under way", number(status.drafts.running)],
      ["The log", status.guarded ? "guarded: it can only be added to" : "not guarded"],
    ];
    replace(this.summary, ...facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
    const gone = status.lanes.filter((lane) => !lane.is_reached);
    const shards = gone.flatMap((lane) => lane.shards).length;
    const missing = `${shards} of ${status.shards} shards are out of reach: start the database on ${nodes(gone).join(", ")}. All figures leave them out.`;
    replace(this.unreached, gone.length ? h("p", { class: "notice service-told", role: "status" }, missing) : null);
    const rows = status.projections.map((each) =>
      h(
        "tr",
        {},
        h("th", { scope: "row" }, each.name),
        h("td", {}, state(each)),
        h("td", { class: "table-right service-figure" }, number(each.behind)),
        h("td", { class: "table-right service-figure" }, each.seconds_behind ? `${number(each.seconds_behind)} s` : "0 s"),
        h("td", { class: "table-right service-figure" }, each.generation === null ? "none" : String(each.generation)),
        h("td", {}, each.version),
        h("td", { class: "table-right service-figure" }, number(each.parked)),
      ));
    const names = ["Projection", "State", "Events behind", "Seconds", "Generation", "Version", "Parked"];
    const right = new Set(["Events behind", "Seconds", "Generation", "Parked"]);
    const head = names.map((name) => h("th", { scope: "col", class: right.has(name) ? "table-right service-figure" : null }, name));
    replace(this.projections, h("table", {}, h("thead", {}, h("tr", {}, ...head)), h("tbody", {}, ...rows)));
    const parked = status.parked.map((each) =>
      h("li", {}, `${each.projection}: conversation ${each.conversation_id} since ${clock.full(each.parked_at)}, ${each.error}`));
    const words = `${number(status.parked_in_all)} parked: what a projection could not take. Mend it, then run hansard replay --parked.`;
    replace(this.parked, parked.length ? h("div", { class: "notice service-told service-parked" }, h("p", {}, words), h("ul", {}, ...parked)) : null);
  }

  async #moving() {
    const { minutes } = await call("GET", query("/api/admin/activity", { minutes: MINUTES }));
    const points = (value) => minutes.map((each) => ({ at: Date.parse(each.at), value: value(each) }));
    const lately = minutes.at(-2)?.messages ?? 0;
    replace(
      this.activity,
      lineChart(points((each) => each.messages), { name: "Messages a minute", figure: `${number(lately)} in the last whole minute` }),
    );
    const slow = minutes.filter((each) => each.latency).at(-1)?.latency;
    const figure = slow ? `half within ${ms(slow.p50)}, 99 % within ${ms(slow.p99)}` : "nothing was appended";
    replace(
      this.latency,
      lineChart(points((each) => (each.latency?.p99 ?? 0) * 1000), { name: "How long appends take, in ms", figure }),
    );
  }

  async #days() {
    const { days } = await call("GET", "/api/admin/usage");
    const bars = (field) => days.map((each) => ({ label: clock.dayShort(each.day), value: each[field] }));
    replace(
      this.usage,
      h(
        "div",
        { class: "service-charts" },
        barChart(bars("messages"), { name: "Messages a day", unit: "messages" }),
        barChart(bars("tokens"), { name: "Tokens a day", unit: "tokens" }),
      ),
    );
  }
}

// Those on which some lanes lie; none where there is but one server.
function nodes(lanes) {
  return [...new Set(lanes.map((lane) => lane.node).filter(Boolean))].sort();
}

function lanes(all) {
  const places = nodes(all).length;
  return places ? `${all.length} on ${places} nodes` : String(all.length);
}

function state(projection) {
  if (projection.generation === null) return "not built";
  if (projection.in_step) return "in step with every append";
  return projection.behind ? "following" : "up to date";
}

function ms(seconds) {
  return `${number(seconds * 1000)} ms`;
}
