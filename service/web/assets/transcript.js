// What was said and done in one conversation, page by page: so many messages are in the document at once, and no more,
// however long it is and however far one scrolls.

import { call, query } from "./api.js";
import * as clock from "./clock.js";
import { h } from "./dom.js";
import { isStep, messageItem, prepare } from "./message.js";

const FIRST = 50;
const PAGE = 100;
const MOST = 250;

export class Transcript {
  #id;
  #scroller;
  #shown = [];
  #items = new Map();
  #queue = Promise.resolve();
  #added;

  // `added` hears of each message that comes in at the end.
  constructor(id, scroller, added) {
    this.#id = id;
    this.#scroller = scroller;
    this.#added = added;
    this.element = h("div");
    this.atEnd = false;
    this.last = null;
  }

  get atBeginning() {
    return this.#shown.length > 0 && this.#shown[0].older === null;
  }

  get isEmpty() {
    return this.#items.size === 0;
  }

  item(messageId) {
    return this.#items.get(messageId);
  }

  // The newest page, or the one that begins at a place.
  open(place) {
    return this.#inTurn(async () => {
      const page = await this.#fetch({ limit: FIRST, ...(place && { after: place }) });
      this.#clear();
      this.#insert(page, true);
      this.atEnd = !place || page.messages.length < FIRST;
    });
  }

  older() {
    return this.#inTurn(async () => {
      const first = this.#shown[0];
      if (!first?.older) return;
      const page = await this.#fetch({ before: first.older });
      this.#inPlace(first, () => {
        this.#insert(page, false);
        this.#nameDays();
      });
      while (this.#items.size > MOST && this.#shown.length > 1) {
        this.#drop(this.#shown.pop());
        this.atEnd = false;
      }
    });
  }

  newer() {
    return this.#inTurn(async () => {
      const last = this.#shown.at(-1);
      if (!last) return;
      const page = await this.#fetch({ after: last.newer });
      this.atEnd = page.messages.length < PAGE;
      if (!page.messages.length) return;
      this.#insert(page, true);
      this.#inPlace(this.#shown.at(-1), () => {
        while (this.#items.size > MOST && this.#shown.length > 1) this.#drop(this.#shown.shift());
      });
    });
  }

  // What one reads stays where it is, whatever comes or goes above it. Heights are no whole pixels, and the
  // scroller's own is told in whole ones.
  #inPlace(shown, change) {
    const bottom = () => shown.element.getBoundingClientRect().bottom;
    const before = bottom();
    change();
    this.#scroller.scrollTop += bottom() - before;
  }

  // One after the other: a page is asked for from where the one before it has ended.
  #inTurn(work) {
    const done = this.#queue.then(work);
    this.#queue = done.catch(() => {});
    return done;
  }

  async #fetch(where) {
    const page = await call("GET", query(`/api/conversations/${this.#id}/messages`, { limit: PAGE, include: "items", ...where }));
    await prepare(page.messages);
    return page;
  }

  #insert(page, atEnd) {
    const fresh = page.messages.filter((message) => !this.#items.has(message.id));
    const shown = { older: page.older, newer: page.newer, ids: [], element: h("ol", { class: "message-list" }) };
    for (const message of fresh) {
      const item = messageItem(message);
      shown.ids.push(message.id);
      this.#items.set(message.id, item);
      item.day = message.timestamp;
      shown.element.append(item);
    }
    const last = this.#shown.at(-1);
    if (atEnd && last && last.ids.length + fresh.length <= PAGE) {
      last.element.append(...shown.element.children);
      last.ids.push(...shown.ids);
      last.newer = page.newer;
    } else if (atEnd) {
      this.element.append(shown.element);
      this.#shown.push(shown);
    } else {
      this.element.prepend(shown.element);
      this.#shown.unshift(shown);
    }
    if (atEnd) {
      this.last = page.messages.findLast((message) => !isStep(message)) ?? this.last;
      this.#nameDays();
      fresh.forEach((message) => this.#added(message));
    }
  }

  #nameDays() {
    let before = null;
    for (const item of this.element.querySelectorAll(".message")) {
      const day = clock.dayName(item.day);
      item.dataset.day = day === before ? "" : day;
      before = day;
    }
  }

  #drop(shown) {
    shown.ids.forEach((id) => this.#items.delete(id));
    shown.element.remove();
  }

  #clear() {
    this.#shown.forEach((shown) => this.#drop(shown));
    this.#shown = [];
    this.last = null;
  }
}
