// Where one writes.

import { announce, h, icon } from "./dom.js";
import { session } from "./session.js";

const TALLEST = 240;
// What Safari calls the Enter that ends a composition.
const COMPOSED = 229;

export class Composer {
  #name = null;
  #whose = session.user;

  constructor({ send, stop }) {
    this.send = send;
    this.stop = stop;
    this.replying = false;
    this.text = h("textarea", {
      id: "message",
      rows: "1",
      placeholder: "Say something…",
      "aria-label": "Message",
      "aria-describedby": "keys",
      onkeydown: (event) => this.#pressed(event),
      oninput: () => this.#changed(),
    });
    // The second click of a double click would stop what the first has sent.
    this.act = h("button", { type: "submit", class: "composer-act", onclick: (event) => event.detail > 1 && event.preventDefault() });
    this.form = h(
      "form",
      { class: "composer-form", onsubmit: (event) => this.#submitted(event) },
      h("div", { class: "composer-field" }, this.text, this.act),
      h("p", { id: "keys", class: "composer-hint" }, "Enter sends, Shift and Enter begin a new line"),
    );
    this.element = h("div", { class: "composer" }, this.form);
    this.#showAct();
  }

  // What was being written in each conversation is still there when one comes back.
  open(name) {
    this.#name = this.#draft(name);
    this.text.value = sessionStorage.getItem(this.#name) ?? "";
    this.#fit();
    this.#showAct();
  }

  // What could not be sent is there when one comes back to its conversation. It may have arrived all the same:
  // sent again as it stands, it goes under the same key.
  keep(name, text, key) {
    const draft = this.#draft(name);
    sessionStorage.setItem(`${draft}.key`, JSON.stringify({ text, key }));
    if (!sessionStorage.getItem(draft)) sessionStorage.setItem(draft, text);
  }

  forget(name, text) {
    const draft = this.#draft(name);
    sessionStorage.removeItem(`${draft}.key`);
    if (sessionStorage.getItem(draft) === text) sessionStorage.removeItem(draft);
  }

  setReplying(replying) {
    this.replying = replying;
    this.#showAct();
  }

  show(instead) {
    this.element.replaceChildren(instead ?? this.form);
  }

  // Not where that would bring up a keyboard of glass over what is to be read.
  focus() {
    if (!this.form.isConnected || !matchMedia("(hover: hover)").matches) return false;
    this.text.focus();
    return document.activeElement === this.text;
  }

  #pressed(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === COMPOSED) return;
    event.preventDefault();
    if (this.replying) announce("A reply is being given: wait for it, or stop it.");
    else this.form.requestSubmit();
  }

  #submitted(event) {
    event.preventDefault();
    if (this.replying) {
      this.stop();
      return;
    }
    const text = this.text.value;
    if (!text.trim()) return;
    this.text.value = "";
    this.#changed();
    this.send(text, this.#keyOf(text));
  }

  #keyOf(text) {
    const kept = JSON.parse(sessionStorage.getItem(`${this.#name}.key`) ?? "null");
    return kept?.text === text ? kept.key : null;
  }

  #changed() {
    if (this.text.value) sessionStorage.setItem(this.#name, this.text.value);
    else sessionStorage.removeItem(this.#name);
    this.#fit();
    this.#showAct();
  }

  #fit() {
    this.text.style.height = "auto";
    this.text.style.height = `${Math.min(TALLEST, this.text.scrollHeight)}px`;
  }

  #showAct() {
    const name = this.replying ? "Stop the reply" : "Send";
    this.act.setAttribute("aria-label", name);
    this.act.title = name;
    this.act.disabled = !this.replying && !this.text.value.trim();
    this.act.replaceChildren(icon(this.replying ? "stop" : "send"));
  }

  #draft(name) {
    return `hansard.draft.${this.#whose}.${name ?? "new"}`;
  }
}
