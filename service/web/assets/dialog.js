// Questions that must be answered before one goes on, and menus.

import { button, h } from "./dom.js";

export function confirm({ title, words, yes, dangerous = false }) {
  return asked(({ close }) => [
    h("h2", { id: "dialog-title" }, title),
    h("p", {}, words),
    buttons(
      button("Cancel", { onclick: () => close(false), autofocus: dangerous }),
      button(yes, { class: dangerous ? "danger" : "primary", onclick: () => close(true) }),
    ),
  ]);
}

export function prompt({ title, label, value = "", yes, limit = 255 }) {
  return asked(({ close }) => {
    const input = h("input", { id: "dialog-input", value, maxlength: limit, autocomplete: "off", autofocus: true });
    const sent = (event) => {
      event.preventDefault();
      if (input.value.trim()) close(input.value.trim());
    };
    queueMicrotask(() => input.select());
    return [
      h(
        "form",
        { onsubmit: sent },
        h("h2", { id: "dialog-title" }, title),
        h("label", { for: "dialog-input" }, label),
        input,
        buttons(button("Cancel", { onclick: () => close(null) }), h("button", { class: "primary" }, yes)),
      ),
    ];
  });
}

function asked(content) {
  return new Promise((resolve) => {
    const dialog = h("dialog", { "aria-labelledby": "dialog-title" });
    const close = (answer) => {
      dialog.returned = answer;
      dialog.close();
    };
    dialog.append(...content({ close }));
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returned ?? null);
    });
    dialog.addEventListener("click", (event) => event.target === dialog && close(null));
    document.body.append(dialog);
    dialog.showModal();
  });
}

function buttons(...all) {
  return h("div", { class: "buttons" }, ...all);
}

// Whoever goes to another page has answered nothing.
export function closeAll() {
  document.querySelectorAll("dialog[open]").forEach((dialog) => dialog.close());
  document.querySelectorAll(":popover-open").forEach((list) => list.hidePopover());
}

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
  const attributes = { role: "menuitem", tabindex: "-1", class: dangerous ? "danger" : null };
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
