// The conversation that is open: its messages, and what is being said in it now.

import { call, Problem } from "./api.js";
import { Actions } from "./actions.js";
import { Composer } from "./composer.js";
import { announce, button, h, icon, replace, signButton } from "./dom.js";
import { cannot, skeleton, welcome } from "./placeholders.js";
import { rename } from "./router.js";
import { Scrolling } from "./scrolling.js";
import { Transcript } from "./transcript.js";
import { Turn } from "./turn.js";

export class Thread {
  #id = null;
  #details = null;
  #transcript = null;
  #turn = null;
  #former = null;
  #opened = 0;

  constructor({ listed, filter }) {
    this.listed = listed;
    this.filter = filter;
    this.title = h("h2", { class: "page-title", tabindex: "-1" });
    this.facts = h("div", { class: "badge-list" });
    const failed = (problem) => this.#tell(problem.message);
    this.actions = new Actions({ listed, failed, changed: (details, wish) => this.#changed(details, wish) });
    this.scrolling = new Scrolling({ failed, newest: () => this.#showEnd() });
    this.content = this.scrolling.content;
    this.composer = new Composer({ send: (text, key) => this.#ask(text, key), stop: () => this.#stop() });
    const back = h("a", { class: "button-sign thread-back", href: "/", "data-go": "", "aria-label": "All conversations" }, icon("back"));
    this.element = h(
      "section",
      { class: "thread", "aria-label": "The conversation" },
      h("header", { class: "page-bar thread-bar" }, back, h("div", { class: "thread-name" }, this.title, this.facts), this.actions.opener, this.actions.menu),
      this.scrolling.element,
      this.scrolling.toEnd,
      this.composer.element,
    );
  }

  get id() {
    return this.#id;
  }

  async open(id, place = null) {
    const opening = ++this.#opened;
    const isCurrent = () => opening === this.#opened;
    this.#begin(id);
    if (!id) {
      this.#name("New conversation");
      replace(this.facts);
      replace(this.content, welcome());
      this.#focus();
      return;
    }
    const late = setTimeout(() => isCurrent() && replace(this.content, skeleton()), 150);
    try {
      const transcript = this.#newTranscript(id);
      const [details] = await Promise.all([call("GET", `/api/conversations/${id}`), transcript.open(place)]);
      clearTimeout(late);
      if (isCurrent()) await this.#showAt(place, details, transcript);
    } catch (failed) {
      if (isCurrent()) this.#cannot(failed, () => this.open(id, place));
    } finally {
      clearTimeout(late);
    }
  }

  #begin(id) {
    this.#turn?.leave();
    this.#turn = null;
    this.#former = null;
    this.#id = id;
    this.#details = null;
    this.#follow(null);
    this.actions.open(id);
    this.composer.setReplying(false);
    this.composer.show();
    this.composer.open(id);
  }

  async #showAt(place, details, transcript) {
    this.#show(details);
    replace(this.content, transcript.element);
    this.#follow(transcript);
    if (place) {
      this.scrolling.point(transcript.element.querySelector(".message"));
      return;
    }
    this.scrolling.toBottom();
    this.#focus();
    await this.#hear();
  }

  #newTranscript(id) {
    return new Transcript(id, this.scrolling.element, (message) => this.#shown(message));
  }

  #follow(transcript) {
    this.#transcript = transcript;
    this.scrolling.open(transcript);
  }

  // Something happened to it, here or elsewhere.
  async changed({ topic }) {
    if (!this.#transcript) return;
    if (topic === "conversation_erased") {
      this.#cannot(new Problem(404, { detail: "This conversation was erased." }));
      return;
    }
    const opened = this.#opened;
    if (topic.startsWith("message_") || topic === "reply_failed") {
      if (this.#turn?.running && !this.#turn.replyId) return;
      if (topic === "message_revised" || topic === "message_removed") await this.#again();
      else if (topic === "message_added" && this.#transcript.atEnd) await this.#more();
      else if (topic === "message_added") this.scrolling.tellOfMore();
    }
    if (opened === this.#opened && topic !== "message_rated") await this.#look();
  }

  // Where one cannot know what was missed.
  async refresh() {
    if (!this.#transcript) return;
    await this.#look();
    if (this.#transcript?.atEnd) await this.#more();
  }

  async #look() {
    const opened = this.#opened;
    try {
      const details = await call("GET", `/api/conversations/${this.#id}`);
      if (opened === this.#opened) this.#show(details);
    } catch (failed) {
      if (opened === this.#opened && failed.status === 404) this.#cannot(failed);
    }
  }

  async #again() {
    if (this.#transcript.atEnd) await this.scrolling.staying(() => this.#transcript.open(null));
  }

  async #more() {
    await this.scrolling.staying(() => this.#transcript.newer());
    await this.#hear();
  }

  async #showEnd() {
    await this.scrolling.showEnd();
    await this.#hear();
  }

  // The newest message may be a question whose reply is being given.
  async #hear() {
    const last = this.#transcript?.last;
    if (this.#turn || !this.#transcript?.atEnd || last?.role !== "user" || this.#details?.ended) return;
    const turn = this.#newTurn();
    turn.questionId = last.id;
    this.content.append(turn.element);
    if (!(await turn.listen(last.id)) && this.#turn === turn && !turn.element.querySelector(".message-failed")) {
      turn.element.remove();
      this.#over(turn);
    }
  }

  #newTurn() {
    const turn = new Turn(this.#id, {
      began: (each) => this.#began(each),
      lost: (each) => each === this.#turn && this.composer.setReplying(false),
      ended: (each) => this.#ended(each),
      failed: (each, problem) => this.#failed(each, problem),
      grown: () => this.scrolling.keepUp(),
    });
    this.#turn = turn;
    return turn;
  }

  async #ask(text, key) {
    if (this.#transcript && !this.#transcript.atEnd) await this.#showEnd();
    this.#turn?.makeWay();
    this.#former = this.#turn;
    const turn = this.#newTurn();
    if (!this.#transcript) replace(this.content);
    this.content.append(turn.element);
    this.composer.setReplying(true);
    const asked = turn.ask(text, key);
    this.scrolling.toBottom();
    await asked;
  }

  async #stop() {
    try {
      await this.#turn?.stop();
    } catch (failed) {
      announce(failed.message);
    }
  }

  async #began(turn) {
    if (turn.text) this.composer.forget(turn.askedIn, turn.text);
    if (turn !== this.#turn) return;
    this.composer.setReplying(true);
    if (this.#id) return;
    this.#id = turn.conversationId;
    this.composer.open(this.#id);
    rename(`/c/${this.#id}`);
    const transcript = this.#newTranscript(this.#id);
    this.#follow(transcript);
    this.content.prepend(transcript.element);
    this.actions.open(this.#id);
    this.listed.open(this.#id);
    await Promise.all([this.#look(), transcript.open(null)]);
  }

  async #ended(turn) {
    if (turn !== this.#turn) return;
    await this.scrolling.staying(async () => {
      await this.#transcript?.newer();
      turn.element.remove();
      this.#over(turn);
    });
  }

  async #failed(turn, problem) {
    if (turn.text && !turn.questionId) this.composer.keep(turn.askedIn, turn.text, turn.key);
    if (turn !== this.#turn) return;
    this.composer.setReplying(false);
    if (turn.conversationId) await this.#transcript?.newer().catch(() => {});
    if (problem.type === "session-ended") await this.#look();
    this.scrolling.toBottom();
  }

  #over(turn) {
    if (this.#turn === turn) this.#turn = null;
    this.composer.setReplying(false);
  }

  #shown(message) {
    this.#former?.isShown(message);
    if (this.#turn?.isShown(message)) this.#over(this.#turn);
  }

  #changed(details, wish) {
    this.#show(details);
    if (wish.ended === false) this.composer.focus();
  }

  #show(details) {
    this.#details = details;
    this.actions.show(details);
    this.#name(details.title || "Untitled");
    replace(
      this.facts,
      details.ended ? h("span", { class: "badge" }, "Ended") : null,
      ...details.links.map((link) => this.#chip(link)),
    );
    if (details.ended) {
      const again = button("Reopen", { onclick: () => this.actions.change({ ended: false }) });
      this.composer.show(h("div", { class: "composer-ended" }, h("p", {}, "This conversation has ended."), again));
    } else {
      this.composer.show();
    }
  }

  #chip(link) {
    const name = `${link.kind}:${link.id}`;
    const show = { class: "badge badge-link", title: `Show the conversations linked to ${name}`, onclick: () => this.filter(name) };
    return button(`${link.kind} ${link.id}`, show);
  }

  #name(title) {
    this.title.textContent = title;
    this.title.title = title;
    document.title = `${title} · Hansard`;
  }

  #tell(words) {
    const told = h("p", { class: "notice", role: "alert" }, words, signButton("close", "Close", { onclick: () => told.remove() }));
    this.told?.remove();
    this.told = told;
    this.composer.element.prepend(told);
  }

  #cannot(failed, again) {
    this.#turn?.leave();
    this.#turn = null;
    this.#follow(null);
    this.actions.hide();
    replace(this.facts);
    this.#name(failed.status === 404 ? "No such conversation" : "It cannot be shown now");
    replace(this.content, cannot(failed, again));
    this.composer.show(h("div"));
  }

  #focus() {
    if (!this.composer.focus()) this.title.focus({ preventScroll: true });
  }
}
