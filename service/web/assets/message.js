// One message as it is shown.

import { call } from "./api.js";
import * as clock from "./clock.js";
import { announce, copy, h, icon, signButton, written } from "./dom.js";
import { markdown } from "./markdown.js";

// So long a text takes longer to lay out than anybody waits for.
const PLAIN_FROM = 200_000;

// What an agent does between what is said is shown by a script of its own, which comes when it is needed.
const STEPS = new Set(["approval", "generated_image", "instructions", "item", "reasoning", "tool_call", "tool_output"]);
let steps = null;

export function isStep(message) {
  return STEPS.has(message.kind);
}

export async function prepare(messages) {
  if (messages.some(isStep)) steps ??= await import("./step.js");
}

// Quiet is one that is shown and can be nothing more: it is history.
export function messageItem(message, { quiet = false } = {}) {
  if (steps && isStep(message)) return steps.stepItem(message);
  const isUser = message.role === "user";
  const body = h("div", { class: "message-body prose" });
  fill(body, message);
  const item = h(
    "li",
    { class: `message message-${message.role}`, data: { id: message.id, version: message.version ?? "" } },
    h(
      "article",
      { "aria-label": isUser ? "You said" : "The assistant said" },
      body,
      h(
        "footer",
        { class: "message-about" },
        message.timestamp ? time(message.timestamp) : null,
        notes(message, quiet),
        quiet ? null : h("span", { class: "message-actions" }, copyButton(message), ...(isUser ? [] : ratingButtons(message))),
      ),
    ),
  );
  return item;
}

function fill(body, message) {
  const isUser = message.role === "user";
  const text = message.content;
  if (!isUser) {
    body.append(text.length > PLAIN_FROM ? h("p", { class: "message-said" }, text) : markdown(text));
    return;
  }
  body.append(...written(h("p", { class: "message-said" }), text));
}

function time(at) {
  return h("time", { datetime: at, title: clock.full(at) }, clock.clock(at));
}

function notes(message, quiet) {
  const said = [];
  if (message.status === "interrupted") said.push("interrupted");
  if (message.revised_at) said.push("edited");
  if (message.rating && quiet) said.push(`rated ${message.rating}`);
  if (message.kind && message.kind !== "message") said.push(message.kind.replaceAll("_", " "));
  said.push(...(message.tags ?? []));
  return said.map((words) => h("span", { class: "badge" }, words));
}

function copyButton(message) {
  const copier = signButton("copy", "Copy the message");
  copier.addEventListener("click", async () => {
    copier.replaceChildren(icon((await copy(message.content, "The message")) ? "done" : "close"));
    setTimeout(() => copier.replaceChildren(icon("copy")), 2000);
  });
  return copier;
}

const RATINGS = [
  ["good", "positive", "A good answer"],
  ["bad", "negative", "A bad answer"],
];

function ratingButtons(message) {
  const buttons = RATINGS.map(([sign, rating, name]) => {
    const rate = signButton(sign, name, { "aria-pressed": String(message.rating === rating) });
    rate.addEventListener("click", async () => {
      rate.disabled = true;
      try {
        const path = `/api/conversations/${message.conversation_id}/messages/${encodeURIComponent(message.id)}/rating`;
        await call("PUT", path, { body: { rating } });
        message.rating = rating;
        buttons.forEach((each) => each.setAttribute("aria-pressed", String(each === rate)));
        announce("Thank you: the rating is on the record.");
      } catch (failed) {
        announce(failed.message);
        rate.title = failed.message;
      } finally {
        rate.disabled = false;
      }
    });
    return rate;
  });
  return buttons;
}

// A reply while it is given: it grows, and is drawn at most once a frame.
export class GrowingReply {
  #text = "";
  #drawn = "";
  #waiting = false;

  constructor(grown) {
    this.grown = grown;
    this.body = h("div", { class: "message-body prose" }, dots());
    this.element = h(
      "li",
      { class: "message message-assistant message-growing" },
      h("article", { "aria-label": "The assistant is answering", "aria-busy": "true" }, this.body),
    );
  }

  get text() {
    return this.#text;
  }

  add(piece) {
    this.#text += piece;
    this.#draw();
  }

  restart() {
    this.#text = "";
    this.#drawn = "";
    this.body.replaceChildren(dots());
  }

  #draw() {
    if (this.#waiting) return;
    this.#waiting = true;
    // What is long takes long to draw: it is drawn less often.
    const rest = this.#text.length > 20_000 ? 250 : 0;
    setTimeout(
      () =>
        requestAnimationFrame(() => {
          this.#waiting = false;
          if (this.#drawn === this.#text) return;
          this.#drawn = this.#text;
          this.body.replaceChildren(markdown(this.#text));
          this.grown();
        }),
      rest,
    );
  }
}

function dots() {
  return h("p", { class: "message-dots", "aria-label": "The reply is on its way" }, h("i"), h("i"), h("i"));
}
