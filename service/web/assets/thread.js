// The conversation that is open: its messages, what is being said in it now, and what can be done with it.

import { call, Problem, wait } from "./api.js";
import { Composer } from "./composer.js";
import { confirm, menu, prompt } from "./dialog.js";
import { announce, button, h, icon, replace, signButton } from "./dom.js";
import { Pages } from "./pages.js";
import { go, rename } from "./router.js";
import { Turn } from "./turn.js";

const NEAR = 120;
const SOON = 700;

export class Thread {
  #id = null;
  #details = null;
  #pages = null;
  #turn = null;
  #former = null;
  #opened = 0;

  constructor({ listed, filter }) {
    this.listed = listed;
    this.filter = filter;
    this.title = h("h2", { tabindex: "-1" });
    this.facts = h("div", { class: "facts" });
    this.more = signButton("more", "What can be done with this conversation");
    this.menu = menu(this.more, () => this.#actions());
    this.beginning = h("p", { class: "edge" });
    this.content = h("div", { class: "content" });
    this.scroller = h(
      "div",
      { class: "scroller", tabindex: "0", role: "region", "aria-label": "Messages", onscroll: () => this.#scrolled() },
      this.beginning,
      this.content,
    );
    this.toEnd = button("", { class: "to-end", hidden: true, onclick: () => this.#showEnd() }, icon("down"), "To the newest");
    this.composer = new Composer({ send: (text, key) => this.#ask(text, key), stop: () => this.#stop() });
    const back = h("a", { class: "sign back", href: "/", "data-go": "", "aria-label": "All conversations" }, icon("back"));
    this.element = h(
      "section",
      { class: "thread", "aria-label": "The conversation" },
      h("header", { class: "bar" }, back, h("div", { class: "name" }, this.title, this.facts), this.more, this.menu),
      this.scroller,
      this.toEnd,
      this.composer.element,
    );
  }

  get id() {
    return this.#id;
  }

  async open(id, place = null) {
    const opening = ++this.#opened;
    const isCurrent = () => opening === this.#opened;
    this.#turn?.leave();
    this.#turn = null;
    this.#former = null;
    this.#id = id;
    this.#details = null;
    this.#pages = null;
    this.toEnd.hidden = true;
    this.beginning.textContent = "";
    this.composer.setReplying(false);
    this.composer.show();
    this.composer.open(id);
    this.more.hidden = !id;
    if (!id) {
      this.#name("New conversation");
      replace(this.facts);
      replace(this.content, welcome());
      this.#focus();
      return;
    }
    const late = setTimeout(() => isCurrent() && replace(this.content, skeleton()), 150);
    try {
      const pages = new Pages(id, this.scroller, (message) => this.#shown(message));
      const [details] = await Promise.all([call("GET", `/api/conversations/${id}`), pages.open(place)]);
      clearTimeout(late);
      if (!isCurrent()) return;
      this.#pages = pages;
      this.#show(details);
      replace(this.content, pages.element);
      this.#edges();
      if (place) this.#point(pages.element.querySelector(".message"));
      else this.#toBottom();
      if (!place) this.#focus();
      if (!place) await this.#hear();
    } catch (failed) {
      if (!isCurrent()) return;
      this.#cannot(failed, () => this.open(id, place));
    } finally {
      clearTimeout(late);
    }
  }

  // Something happened to it, here or elsewhere.
  async changed({ topic }) {
    if (!this.#pages) return;
    if (topic === "conversation_erased") {
      this.#cannot(new Problem(404, { detail: "This conversation was erased." }));
      return;
    }
    const opened = this.#opened;
    if (topic.startsWith("message_") || topic === "reply_failed") {
      if (this.#turn?.running && !this.#turn.replyId) return;
      if (topic === "message_revised" || topic === "message_removed") await this.#again();
      else if (topic === "message_added" && this.#pages.atEnd) await this.#more();
      else if (topic === "message_added") this.toEnd.hidden = false;
    }
    if (opened === this.#opened && topic !== "message_rated") await this.#look();
  }

  // Where one cannot know what was missed.
  async refresh() {
    if (!this.#pages) return;
    await this.#look();
    if (this.#pages?.atEnd) await this.#more();
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
    if (!this.#pages.atEnd) return;
    const near = this.#isNearBottom();
    await this.#pages.open(null);
    if (near) this.#toBottom();
  }

  async #more() {
    const near = this.#isNearBottom();
    await this.#pages.newer();
    if (near) this.#toBottom();
    else this.toEnd.hidden = this.#isNearBottom();
    await this.#hear();
  }

  // The newest message may be a question whose reply is being given.
  async #hear() {
    const last = this.#pages?.last;
    if (this.#turn || !this.#pages?.atEnd || last?.role !== "user" || this.#details?.ended) return;
    const turn = this.#newTurn();
    turn.questionId = last.id;
    this.content.append(turn.element);
    if (!(await turn.listen(last.id)) && this.#turn === turn && !turn.element.querySelector(".failed")) {
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
      grown: () => this.#isNearBottom(300) && this.#toBottom(),
    });
    this.#turn = turn;
    return turn;
  }

  async #ask(text, key) {
    if (this.#pages && !this.#pages.atEnd) await this.#showEnd();
    this.#turn?.makeWay();
    this.#former = this.#turn;
    const turn = this.#newTurn();
    if (!this.#pages) replace(this.content);
    this.content.append(turn.element);
    this.composer.setReplying(true);
    const asked = turn.ask(text, key);
    this.#toBottom();
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
    this.#pages = new Pages(this.#id, this.scroller, (message) => this.#shown(message));
    this.content.prepend(this.#pages.element);
    this.more.hidden = false;
    this.listed.open(this.#id);
    await Promise.all([this.#look(), this.#pages.open(null)]);
  }

  async #ended(turn) {
    if (turn !== this.#turn) return;
    const near = this.#isNearBottom();
    await this.#pages?.newer();
    turn.element.remove();
    this.#over(turn);
    if (near) this.#toBottom();
  }

  async #failed(turn, problem) {
    if (turn.text && !turn.questionId) this.composer.keep(turn.askedIn, turn.text, turn.key);
    if (turn !== this.#turn) return;
    this.composer.setReplying(false);
    if (turn.conversationId) await this.#pages?.newer().catch(() => {});
    if (problem.type === "session-ended") await this.#look();
    this.#toBottom();
  }

  #over(turn) {
    if (this.#turn === turn) this.#turn = null;
    this.composer.setReplying(false);
  }

  #shown(message) {
    this.#former?.isShown(message);
    if (this.#turn?.isShown(message)) this.#over(this.#turn);
  }

  #show(details) {
    this.#details = details;
    this.#name(details.title || "Untitled");
    replace(
      this.facts,
      details.ended ? h("span", { class: "badge" }, "Ended") : null,
      ...details.links.map((link) => this.#chip(link)),
    );
    if (details.ended) {
      const again = button("Reopen", { onclick: () => this.#change({ ended: false }) });
      this.composer.show(h("div", { class: "ended" }, h("p", {}, "This conversation has ended."), again));
    } else {
      this.composer.show();
    }
  }

  #chip(link) {
    const name = `${link.kind}:${link.id}`;
    const show = { class: "chip", title: `Show the conversations linked to ${name}`, onclick: () => this.filter(name) };
    return button(`${link.kind} ${link.id}`, show);
  }

  #name(title) {
    this.title.textContent = title;
    this.title.title = title;
    document.title = `${title} · Hansard`;
  }

  #actions() {
    if (!this.#details) return [];
    const ended = this.#details.ended;
    return [
      ["Rename…", () => this.#rename()],
      ["History", `/c/${this.#id}/history`],
      ["Export", () => this.#export()],
      [ended ? "Reopen" : "End", () => this.#change({ ended: !ended })],
      ["Delete…", () => this.#delete(), true],
    ];
  }

  async #rename() {
    const asked = { title: "Rename the conversation", label: "Title", value: this.#details.title ?? "", yes: "Rename" };
    const opened = this.#opened;
    const title = await prompt(asked);
    if (title && opened === this.#opened) await this.#change({ title });
  }

  async #change(wish) {
    const [opened, id] = [this.#opened, this.#id];
    try {
      const details = await call("PATCH", `/api/conversations/${id}`, { body: wish });
      this.listed.changed(id);
      if (opened !== this.#opened) return;
      this.#show(details);
      if (wish.ended === false) this.composer.focus();
    } catch (failed) {
      announce(failed.message);
      this.#tell(failed.message);
    }
  }

  async #delete() {
    const id = this.#id;
    const sure = await confirm({
      title: "Delete this conversation?",
      words: `“${this.#details.title || "Untitled"}” and all its messages are erased, here and in the log. This cannot be undone.`,
      yes: "Delete for good",
      dangerous: true,
    });
    if (!sure || id !== this.#id) return;
    try {
      await call("DELETE", `/api/conversations/${id}`);
      this.listed.gone(id);
      announce("The conversation is deleted.");
      if (id !== this.#id) return;
      go("/");
      if (document.activeElement === document.body) this.listed.focus();
    } catch (failed) {
      this.#tell(failed.message);
    }
  }

  async #export() {
    try {
      const { save } = await import("./saving.js");
      await save(this.#id, this.#details.title);
    } catch (failed) {
      this.#tell(failed.message);
    }
  }

  #tell(words) {
    const told = h("p", { class: "told", role: "alert" }, words, signButton("close", "Close", { onclick: () => told.remove() }));
    this.told?.remove();
    this.told = told;
    this.composer.element.prepend(told);
  }

  #cannot(failed, again) {
    this.#turn?.leave();
    this.#turn = null;
    this.#pages = null;
    this.more.hidden = true;
    this.beginning.textContent = "";
    replace(this.facts);
    const isGone = failed.status === 404;
    this.#name(isGone ? "No such conversation" : "It cannot be shown now");
    const retry = again && !isGone ? button("Try again", { class: "primary", onclick: again }) : null;
    const words = isGone && !(failed instanceof Problem && failed.message.includes("erased"))
      ? "There is no such conversation, or it is somebody else's."
      : failed.message;
    replace(this.content, h("div", { class: "empty", role: "alert" }, h("p", {}, words), retry));
    this.composer.show(h("div"));
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    if (!this.#pages) return;
    if (scrollTop < SOON && !this.#pages.atBeginning) this.#load(() => this.#pages.older());
    if (scrollHeight - scrollTop - clientHeight < SOON && !this.#pages.atEnd) this.#load(() => this.#pages.newer());
    if (this.#pages.atEnd) this.toEnd.hidden = this.#isNearBottom(600);
    else this.toEnd.hidden = false;
  }

  #loading = false;

  async #load(more) {
    if (this.#loading) return;
    this.#loading = true;
    const opened = this.#opened;
    this.beginning.textContent = "Loading…";
    try {
      await more();
    } catch (failed) {
      if (opened !== this.#opened) return;
      this.#tell(failed.message);
      await wait(2);
    } finally {
      this.#loading = false;
      if (opened === this.#opened) {
        this.#edges();
        // One may have gone on scrolling meanwhile.
        this.#scrolled();
      }
    }
  }

  #edges() {
    this.beginning.textContent = this.#pages?.atBeginning && !this.#pages.isEmpty ? "The beginning" : "";
  }

  async #showEnd() {
    if (this.#pages && !this.#pages.atEnd) await this.#pages.open(null);
    this.#edges();
    this.#toBottom();
    await this.#hear();
  }

  #isNearBottom(distance = NEAR) {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    return scrollHeight - scrollTop - clientHeight < distance;
  }

  #toBottom() {
    this.scroller.scrollTop = this.scroller.scrollHeight;
    this.toEnd.hidden = true;
  }

  #focus() {
    if (!this.composer.focus()) this.title.focus({ preventScroll: true });
  }

  #point(item) {
    if (!item) return;
    item.classList.add("found");
    item.scrollIntoView({ block: "center" });
    item.setAttribute("tabindex", "-1");
    item.focus({ preventScroll: true });
  }
}

function welcome() {
  return h(
    "div",
    { class: "empty" },
    h("p", { class: "large" }, "What is on your mind?"),
    h("p", {}, "Everything said here is kept word for word, and found again by search."),
  );
}

function skeleton() {
  const lines = [60, 85, 40, 70, 90, 55].map((width, at) => {
    const line = h("div", { class: at % 2 ? "line" : "line mine" });
    line.style.width = `${width * 0.6}%`;
    return line;
  });
  return h("div", { class: "skeleton", role: "status", "aria-label": "Loading the conversation" }, ...lines);
}
