// Lists of actions that a button opens.

import { button, h } from "./dom.js";

let menus = 0;

// A button that opens a list of actions; each is [words, what it does, is it dangerous].
export function menu(opener, actions) {
  const id = `menu-${++menus}`;
  const list = h("div", { class: "menu", role: "menu", id, popover: "auto" });
  opener.setAttribute("popovertarget", id);
  opener.setAttribute("aria-haspopup", "menu");
  list.addEventListener("toggle", (event) => {
    opener.setAttribute("aria-expanded", event.newState === "open");
    if (event.newState !== "open") return;
    list.replaceChildren(...actions().map((action) => entry(action, list)));
    const place = opener.getBoundingClientRect();
    list.style.top = `${Math.min(place.bottom + 4, innerHeight - list.offsetHeight - 8)}px`;
    list.style.left = `${Math.max(8, Math.min(place.right - list.offsetWidth, innerWidth - list.offsetWidth - 8))}px`;
    list.firstElementChild?.focus();
  });
  list.addEventListener("keydown", moved);
  return list;
}

function entry([words, act, dangerous], list) {
  const attributes = { role: "menuitem", tabindex: "-1", class: dangerous ? "menu-danger" : null };
  const done = () => {
    list.hidePopover();
    if (act instanceof Function) act();
  };
  if (typeof act === "string") return h("a", { ...attributes, href: act, "data-go": "", onclick: done }, words);
  return button(words, { ...attributes, onclick: done });
}

function moved(event) {
  const steps = { ArrowDown: 1, ArrowUp: -1 };
  const step = steps[event.key];
  if (!step) return;
  event.preventDefault();
  const entries = [...event.currentTarget.children];
  const at = entries.indexOf(document.activeElement);
  entries[(at + step + entries.length) % entries.length].focus();
}

// Whoever goes to another page has chosen nothing, and answered nothing.
export function closeAll() {
  document.querySelectorAll("dialog[open]").forEach((dialog) => dialog.close());
  document.querySelectorAll(":popover-open").forEach((list) => list.hidePopover());
}
