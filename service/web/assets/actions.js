// What can be done with a conversation: the menu of it, and what its entries do.

import { call } from "./api.js";
import { confirm, prompt } from "./dialog.js";
import { announce, signButton } from "./dom.js";
import { menu } from "./menu.js";
import { go } from "./router.js";

export class Actions {
  #id = null;
  #details = null;

  // `changed` hears how the conversation is now and what was wished, `failed` why it could not be done.
  constructor({ listed, changed, failed }) {
    this.listed = listed;
    this.changed = changed;
    this.failed = failed;
    this.opener = signButton("more", "What can be done with this conversation");
    this.menu = menu(this.opener, () => this.#entries());
  }

  open(id) {
    this.#id = id;
    this.#details = null;
    this.opener.hidden = !id;
  }

  show(details) {
    this.#details = details;
  }

  // The conversation cannot be shown, so that nothing can be done with it.
  hide() {
    this.#details = null;
    this.opener.hidden = true;
  }

  async change(wish) {
    const id = this.#id;
    try {
      const details = await call("PATCH", `/api/conversations/${id}`, { body: wish });
      this.listed.changed(id);
      if (id === this.#id) this.changed(details, wish);
    } catch (failed) {
      announce(failed.message);
      this.failed(failed);
    }
  }

  #entries() {
    if (!this.#details) return [];
    const ended = this.#details.ended;
    return [
      ["Rename…", () => this.#rename()],
      ["History", `/c/${this.#id}/history`],
      ["Export", () => this.#export()],
      [ended ? "Reopen" : "End", () => this.change({ ended: !ended })],
      ["Delete…", () => this.#delete(), true],
    ];
  }

  async #rename() {
    const id = this.#id;
    const asked = { title: "Rename the conversation", label: "Title", value: this.#details.title ?? "", yes: "Rename" };
    const title = await prompt(asked);
    if (title && id === this.#id) await this.change({ title });
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
      this.failed(failed);
    }
  }

  async #export() {
    try {
      const { save } = await import("./saving.js");
      await save(this.#id, this.#details.title);
    } catch (failed) {
      this.failed(failed);
    }
  }
}
