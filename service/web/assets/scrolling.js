// Where one is in a conversation: its pages come as one scrolls, and whoever is at its end stays there.

import { wait } from "./api.js";
import { button, h, icon } from "./dom.js";

const NEAR = 120;
const GROWN = 300;
const FAR = 600;
const SOON = 700;

export class Scrolling {
  #transcript = null;
  #isLoading = false;

  // `failed` hears why a page did not come, `newest` that one wants to be at the end.
  constructor({ failed, newest }) {
    this.failed = failed;
    this.beginning = h("p", { class: "thread-edge" });
    this.content = h("div", { class: "thread-content" });
    this.element = h(
      "div",
      { class: "thread-scroller", tabindex: "0", role: "region", "aria-label": "Messages", onscroll: () => this.#scrolled() },
      this.beginning,
      this.content,
    );
    this.toEnd = button("", { class: "thread-to-end", hidden: true, onclick: newest }, icon("down"), "To the newest");
  }

  // The transcript whose pages come from now on, if there is one.
  open(transcript) {
    this.#transcript = transcript;
    this.toEnd.hidden = true;
    this.#showEdge();
  }

  async showEnd() {
    if (this.#transcript && !this.#transcript.atEnd) await this.#transcript.open(null);
    this.#showEdge();
    this.toBottom();
  }

  // There is more, further down than what is shown.
  tellOfMore() {
    this.toEnd.hidden = false;
  }

  // Whoever is at the end is there after the change, too.
  async staying(change) {
    const near = this.#isNearBottom(NEAR);
    await change();
    if (near) this.toBottom();
    else this.toEnd.hidden = this.#isNearBottom(NEAR);
  }

  // What is last has grown.
  keepUp() {
    if (this.#isNearBottom(GROWN)) this.toBottom();
  }

  toBottom() {
    this.element.scrollTop = this.element.scrollHeight;
    this.toEnd.hidden = true;
  }

  point(item) {
    if (!item) return;
    item.classList.add("message-found");
    item.scrollIntoView({ block: "center" });
    item.setAttribute("tabindex", "-1");
    item.focus({ preventScroll: true });
  }

  #scrolled() {
    const { scrollTop } = this.element;
    const transcript = this.#transcript;
    if (!transcript || transcript.isEmpty) return;
    if (scrollTop < SOON && !transcript.atBeginning) this.#load(() => transcript.older());
    if (this.#isNearBottom(SOON) && !transcript.atEnd) this.#load(() => transcript.newer());
    this.toEnd.hidden = transcript.atEnd && this.#isNearBottom(FAR);
  }

  async #load(more) {
    if (this.#isLoading) return;
    this.#isLoading = true;
    const transcript = this.#transcript;
    const isCurrent = () => transcript === this.#transcript;
    this.beginning.textContent = "Loading…";
    try {
      await more();
    } catch (failed) {
      if (!isCurrent()) return;
      this.failed(failed);
      await wait(2);
    } finally {
      this.#isLoading = false;
      if (isCurrent()) {
        this.#showEdge();
        // One may have gone on scrolling meanwhile.
        this.#scrolled();
      }
    }
  }

  #showEdge() {
    this.beginning.textContent = this.#transcript?.atBeginning && !this.#transcript.isEmpty ? "The beginning" : "";
  }

  #isNearBottom(distance) {
    const { scrollTop, scrollHeight, clientHeight } = this.element;
    return scrollHeight - scrollTop - clientHeight < distance;
  }
}
