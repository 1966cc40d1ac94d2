// The user's conversations, most recent first, and what a search finds in them.

import { call, query } from "./api.js";
import * as clock from "./clock.js";
import { announce, button, h, icon, replace, signButton } from "./dom.js";
import { decoded } from "./entities.js";

const PAGE = 30;
const SEARCH_AFTER = 250;

export class Listed {
  #items = new Map();
  #cursor = null;
  #open = null;
  #asked = 0;
  #refreshing = null;
  #searching = null;

  constructor(whoIs) {
    this.link = null;
    this.activeOnly = false;
    this.search = h("input", {
      type: "search",
      id: "search",
      placeholder: "Search",
      "aria-label": "Search all messages",
      autocomplete: "off",
      oninput: () => this.#typed(),
      onkeydown: (event) => event.key === "Escape" && this.#leaveSearch(),
    });
    this.active = h("input", { type: "checkbox", onchange: (event) => this.#filter({ activeOnly: event.target.checked }) });
    this.begins = h("a", { class: "button button-primary listed-new", href: "/?new", "data-go": "" }, icon("plus"), "New conversation");
    this.filters = h("div", { class: "listed-filters" });
    this.list = h("ul", { class: "listed-all" });
    this.more = h("div");
    this.state = h("div", { class: "notice-state", "aria-live": "polite" });
    this.scroller = h("div", { class: "listed-scroller" }, this.list, this.state, this.more);
    this.element = h(
      "nav",
      { class: "listed", "aria-label": "Conversations" },
      h(
        "header",
        { class: "page-bar listed-bar" },
        h("a", { class: "listed-mark", href: "/", "data-go": "" }, "Hansard"),
        whoIs,
      ),
      this.begins,
      h("div", { class: "listed-search" }, icon("search"), this.search),
      this.filters,
      this.scroller,
    );
    new IntersectionObserver(([seen]) => seen.isIntersecting && this.#next(), { rootMargin: "600px" }).observe(this.more);
    this.#showFilters();
  }

  async begin() {
    await this.#anew();
  }

  open(id) {
    this.#open = id;
    for (const [each, item] of this.#items) this.#mark(item, each);
  }

  filterByLink(link) {
    this.#leaveSearch();
    this.#filter({ link });
  }

  focus() {
    this.begins.focus();
  }

  // Something was said or changed, somewhere: what is most recent is asked for again, once for many changes.
  changed(id) {
    if (id && this.#items.has(id)) this.#look(id);
    this.#refreshing ??= setTimeout(() => {
      this.#refreshing = null;
      this.#refresh();
    }, 200);
  }

  gone(id) {
    this.#items.get(id)?.remove();
    this.#items.delete(id);
    this.#showState();
  }

  refresh() {
    return this.#anew();
  }

  #path(cursor) {
    const { link, activeOnly } = this;
    return query("/api/conversations", { limit: PAGE, link, active_only: activeOnly, cursor });
  }

  async #anew() {
    const asked = ++this.#asked;
    try {
      const page = await call("GET", this.#path());
      if (asked !== this.#asked) return;
      this.#items.clear();
      replace(this.list, ...page.conversations.map((each) => this.#item(each)));
      this.#cursor = page.next_cursor;
      this.#showState();
    } catch (failed) {
      if (asked === this.#asked) this.#cannot(failed, () => this.#anew());
    }
  }

  async #next() {
    if (!this.#cursor || this.#searching) return;
    const [asked, cursor] = [this.#asked, this.#cursor];
    this.#cursor = null;
    try {
      const page = await call("GET", this.#path(cursor));
      if (asked !== this.#asked) return;
      this.list.append(...page.conversations.filter((each) => !this.#items.has(each.id)).map((each) => this.#item(each)));
      this.#cursor = page.next_cursor;
      this.#showState();
    } catch (failed) {
      if (asked !== this.#asked) return;
      this.#cursor = cursor;
      this.#cannot(failed, () => this.#next());
    }
  }

  async #refresh() {
    const asked = this.#asked;
    try {
      const page = await call("GET", this.#path());
      if (asked !== this.#asked || this.#searching) return;
      const first = this.#items.size === 0;
      this.#keepingFocus(() => {
        page.conversations.forEach((each) => this.#items.get(each.id)?.remove());
        this.list.prepend(...page.conversations.map((each) => this.#item(each)));
      });
      if (first) this.#cursor = page.next_cursor;
      this.#showState();
    } catch {
      // The next change, or the connection when it is back, asks again.
    }
  }

  async #look(id) {
    try {
      const known = this.#items.get(id);
      const now = await call("GET", `/api/conversations/${id}`);
      const hidden = this.activeOnly && now.ended;
      if (hidden) this.gone(id);
      else if (this.#items.get(id) === known) this.#keepingFocus(() => known.replaceWith(this.#item(now)));
    } catch (failed) {
      if (failed.status === 404) this.gone(id);
    }
  }

  // Whoever goes through the list by keyboard stays where she is when it changes.
  #keepingFocus(change) {
    const focused = [...this.#items].find(([, item]) => item.contains(document.activeElement));
    change();
    if (focused) this.#items.get(focused[0])?.firstElementChild.focus({ preventScroll: true });
  }

  #item(summary) {
    const title = summary.title || "Untitled";
    const item = h(
      "li",
      {},
      h(
        "a",
        { href: `/c/${summary.id}`, "data-go": "", title },
        h("span", { class: "listed-title" }, title),
        h("time", { datetime: summary.updated_at }, clock.short(summary.updated_at)),
        summary.ended ? h("span", { class: "badge listed-ended" }, "Ended") : null,
      ),
    );
    this.#items.set(summary.id, item);
    this.#mark(item, summary.id);
    return item;
  }

  #mark(item, id) {
    const link = item.firstElementChild;
    if (id === this.#open) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }

  #filter(wanted) {
    Object.assign(this, wanted);
    this.#showFilters();
    if (this.#searching) this.#find(this.search.value.trim());
    else this.#anew();
  }

  #showFilters() {
    this.active.checked = this.activeOnly;
    const chosen = this.link
      ? h("span", { class: "badge badge-link badge-chosen" }, this.link.replace(":", " "), signButton("close", `Show all, not only ${this.link}`, {
          onclick: () => this.#filter({ link: null }),
        }))
      : h("form", { class: "listed-opportunity", onsubmit: (event) => this.#opportunity(event) },
          h("input", { "aria-label": "Only this opportunity", placeholder: "Opportunity", autocomplete: "off", maxlength: 255 }));
    replace(this.filters, h("label", {}, this.active, "Active only"), chosen);
  }

  #opportunity(event) {
    event.preventDefault();
    const wanted = event.target.firstElementChild.value.trim();
    if (wanted) this.#filter({ link: `opportunity:${wanted}` });
  }

  #typed() {
    clearTimeout(this.#searching);
    const words = this.search.value.trim();
    if (!words) {
      this.#leaveSearch();
      return;
    }
    // A search goes through what has ended too.
    this.active.disabled = true;
    this.#searching = setTimeout(() => this.#find(words), SEARCH_AFTER);
  }

  #leaveSearch() {
    if (!this.#searching) return;
    clearTimeout(this.#searching);
    this.#searching = null;
    this.search.value = "";
    this.active.disabled = false;
    this.#anew();
  }

  async #find(words, cursor) {
    const asked = ++this.#asked;
    try {
      const page = await call("GET", query("/api/search", { q: words, limit: PAGE, link: this.link, cursor }));
      if (asked !== this.#asked) return;
      this.#items.clear();
      const found = page.results.map(result);
      if (cursor) this.list.append(...found);
      else replace(this.list, ...found);
      announce(page.results.length ? `${counted(page.results.length)}${page.next_cursor ? ", and there are more" : ""}.` : "");
      const more = button("More", { onclick: () => this.#find(words, page.next_cursor) });
      replace(this.state, ...(found.length || cursor ? [] : [h("p", {}, `Nothing said holds “${words}”.`)]), page.next_cursor ? more : null);
    } catch (failed) {
      if (asked === this.#asked) this.#cannot(failed, () => this.#find(words, cursor));
    }
  }

  #showState() {
    if (this.#items.size) replace(this.state);
    else if (this.link || this.activeOnly) replace(this.state, h("p", {}, "No conversation fits these filters."));
    else replace(this.state, h("p", {}, "No conversation yet. What you say first begins one."));
  }

  #cannot(failed, again) {
    replace(this.state, h("p", {}, failed.message), button("Try again", { onclick: again }));
  }
}

const SIDES = { user: "You", assistant: "Assistant" };

function result(found) {
  return h(
    "li",
    { class: "listed-found" },
    h(
      "a",
      { href: query(`/c/${found.conversation_id}`, { at: found.place }), "data-go": "" },
      h("span", { class: "listed-title" }, SIDES[found.role]),
      h("time", { datetime: found.timestamp }, clock.short(found.timestamp)),
      h("span", { class: "listed-snippet" }, ...highlighted(found.snippet)),
    ),
  );
}

function counted(found) {
  return found === 1 ? "1 message found" : `${found} messages found`;
}

const LEAD = 48;

// The snippet is HTML in which nothing is markup but `mark`: taken apart here, and never read as HTML. What
// was found is to be seen at once, so not much stands before it.
function highlighted(snippet) {
  const pieces = snippet.split(/<mark>(.*?)<\/mark>/s).map(decoded);
  if (pieces.length > 1 && pieces[0].length > LEAD) pieces[0] = `…${pieces[0].slice(-LEAD).replace(/^\S*/, "")}`;
  return pieces.map((piece, at) => (at % 2 ? h("mark", {}, piece) : piece));
}
