// What happened to a conversation, event by event, and how it stood after each.

import { call, Problem, query } from "./api.js";
import * as clock from "./clock.js";
import { button, h, icon, replace, signButton } from "./dom.js";
import { messageItem, prepare } from "./message.js";
import { rename } from "./router.js";
import { save } from "./saving.js";

const PAGE = 50;
const MOMENT = 80;

// Shown at once, and filled when its answers come.
export async function page({ id, version }, show) {
  document.title = "History · Hansard";
  const content = h("div", {}, h("p", { class: "notice-state" }, "Loading…"));
  const title = h("h1", { class: "page-title", tabindex: "-1" }, "History");
  const bar = h(
    "header",
    { class: "page-bar page-top" },
    h("a", { class: "button-sign", href: `/c/${id}`, "data-go": "", "aria-label": "Back to the conversation" }, icon("back")),
    title,
  );
  show(h("main", { class: "page" }, bar, content));
  try {
    const known = await call("GET", query(`/api/conversations/${id}`, { at: version ?? LATEST, limit: PAGE, include: "items" }));
    await prepare(known.messages);
    if (!bar.isConnected) return;
    title.textContent = `History of ${known.title || "an untitled conversation"}`;
    document.title = `${title.textContent} · Hansard`;
    const told = h("p", { class: "notice", role: "alert", hidden: true });
    const keep = async () => {
      try {
        await save(id, known.title);
      } catch (failed) {
        told.hidden = false;
        replace(told, failed.message);
      }
    };
    bar.append(chain(id), button("Export", { onclick: keep }));
    const stood = new Stood(id, known);
    const timeline = new Timeline(id, (chosen) => stood.go(chosen));
    stood.moved = (at) => timeline.mark(at);
    replace(content, told, h("div", { class: "history-columns" }, timeline.element, stood.element));
    await timeline.more();
    timeline.mark(stood.version);
  } catch (failed) {
    if (!(failed instanceof Problem)) throw failed;
    replace(content, h("div", { class: "notice-empty", role: "alert" }, h("p", {}, failed.message)));
  }
}

// A time that no clock has come to: the conversation as it stands.
const LATEST = "9999-12-31T00:00:00Z";

// Whether the record is what was once recorded.
function chain(id) {
  const verdict = h("span", { class: "verdict", role: "status" }, "Checking the chain…");
  const check = async () => {
    verdict.className = "verdict";
    try {
      const found = await call("GET", `/api/audit/conversations/${id}/verify`);
      verdict.classList.add(found.holds ? "verdict-holds" : "verdict-broken");
      const events = found.events === 1 ? "event" : "events";
      verdict.textContent = found.holds
        ? `The chain of ${found.events.toLocaleString()} ${events} holds`
        : `The chain is broken: ${found.faults.map((each) => `version ${each.version}: ${each.what}`).join("; ")}`;
    } catch (failed) {
      verdict.textContent = failed.status === 403 ? "Checking the chain needs an auditor’s key" : failed.message;
    }
  };
  check();
  return verdict;
}

class Timeline {
  #cursor;
  #entries = new Map();
  #loading = null;

  constructor(id, choose) {
    this.id = id;
    this.choose = choose;
    this.list = h("ol", { class: "history-events" });
    this.end = h("div", { class: "notice-state" });
    this.element = h("section", { "aria-label": "What happened" }, h("h2", {}, "What happened"), this.list, this.end);
    new IntersectionObserver(([seen]) => seen.isIntersecting && this.more(), { rootMargin: "400px" }).observe(this.end);
  }

  mark(version) {
    this.#entries.forEach((entry, at) => entry.classList.toggle("history-after", at > version));
    this.list.querySelector(".history-now")?.classList.remove("history-now");
    this.#entries.get(version)?.classList.add("history-now");
    this.marked = version;
  }

  more() {
    if (this.#cursor === null) return Promise.resolve();
    this.#loading ??= this.#next().finally(() => (this.#loading = null));
    return this.#loading;
  }

  async #next() {
    try {
      const page = await call("GET", query(`/api/conversations/${this.id}/events`, { limit: PAGE, include: "items", cursor: this.#cursor }));
      this.#cursor = page.next_cursor;
      this.list.append(...page.events.map((event) => this.#entry(event)));
      replace(this.end);
      this.mark(this.marked);
    } catch (failed) {
      replace(this.end, h("p", { role: "alert" }, failed.message), button("Try again", { onclick: () => this.more() }));
    }
  }

  #entry(event) {
    const show = button(`${event.version}`, {
      class: "history-version",
      "aria-label": `Show how it stood at version ${event.version}`,
      onclick: () => this.choose(event.version),
    });
    const details = h(
      "details",
      {},
      h("summary", {}, h("span", { class: "history-words" }, event.words), h("time", { datetime: event.at }, clock.full(event.at))),
      facts(event),
    );
    const entry = h("li", { class: event.redacted ? "history-redacted" : null }, show, details);
    this.#entries.set(event.version, entry);
    return entry;
  }
}

function facts(event) {
  const rows = [
    ["Topic", event.topic],
    ["User", event.user_id],
    ["Actor", event.actor],
    ["Request", event.request_id],
  ].filter(([, value]) => value);
  const boxes = [
    ["Before", event.before],
    ["After", event.after],
    ["The event, in full", event.event],
  ].filter(([, value]) => value && Object.keys(value).length);
  return h(
    "div",
    {},
    h("dl", {}, ...rows.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
    ...boxes.map(([name, value]) =>
      h("figure", { class: "code" }, h("figcaption", {}, name), h("pre", { tabindex: "0", "aria-label": name }, JSON.stringify(value, null, 2)))),
  );
}

class Stood {
  #asked = 0;
  #timer = null;

  constructor(id, known) {
    this.id = id;
    this.moved = () => {};
    this.last = known.current_version;
    this.version = known.version;
    this.slider = h("input", {
      type: "range",
      id: "version",
      min: "1",
      max: String(this.last),
      value: String(this.version),
      oninput: () => this.go(Number(this.slider.value)),
    });
    this.label = h("label", { for: "version" });
    this.content = h("div", { class: "history-then" });
    this.element = h(
      "section",
      { class: "history-stood", "aria-label": "How it stood" },
      h("h2", {}, "How it stood"),
      h(
        "div",
        { class: "history-slide" },
        signButton("back", "The version before", { onclick: () => this.go(this.version - 1) }),
        this.slider,
        signButton("back", "The version after", { class: "button-sign history-forth", onclick: () => this.go(this.version + 1) }),
      ),
      this.label,
      this.content,
    );
    this.#show(known);
  }

  go(version) {
    const wanted = Math.min(this.last, Math.max(1, version));
    this.version = wanted;
    this.slider.value = String(wanted);
    this.moved(wanted);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#load(wanted), MOMENT);
  }

  async #load(version) {
    const asked = ++this.#asked;
    try {
      const known = await call("GET", query(`/api/conversations/${this.id}`, { at: version, limit: PAGE, include: "items" }));
      await prepare(known.messages);
      if (asked !== this.#asked || !this.element.isConnected) return;
      rename(version === this.last ? `/c/${this.id}/history` : `/c/${this.id}/history?version=${version}`);
      this.#show(known);
    } catch (failed) {
      if (asked === this.#asked) replace(this.content, h("p", { class: "notice", role: "alert" }, failed.message));
    }
  }

  #show(known) {
    this.label.textContent = `Version ${known.version} of ${this.last}, ${clock.full(known.at)}`;
    const facts = [
      h("span", { class: "badge" }, known.ended ? "Ended" : "Active"),
      h("span", { class: "badge" }, `${known.message_count} message${known.message_count === 1 ? "" : "s"}`),
      ...known.links.map((link) => h("span", { class: "badge badge-link" }, `${link.kind} ${link.id}`)),
    ];
    const left = known.older ? h("p", { class: "history-edge" }, `The last ${known.messages.length} of its messages`) : null;
    const messages = known.messages.length
      ? h("ol", { class: "message-list" }, ...known.messages.map((message) => messageItem(message, { quiet: true })))
      : h("p", { class: "notice-state" }, "Nothing had been said yet.");
    const metadata = Object.keys(known.metadata).length
      ? h("figure", { class: "code" }, h("figcaption", {}, "Metadata"), h("pre", { tabindex: "0", "aria-label": "Metadata" }, JSON.stringify(known.metadata, null, 2)))
      : null;
    replace(this.content, h("h3", {}, known.title || "Untitled"), h("div", { class: "badge-list" }, ...facts), metadata, left, messages);
  }
}
