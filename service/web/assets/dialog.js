// Questions that must be answered before one goes on.

import { button, h } from "./dom.js";

export function confirm({ title, words, yes, dangerous = false }) {
  return asked(({ close }) => [
    h("h2", { id: "dialog-title" }, title),
    h("p", {}, words),
    buttons(
      button("Cancel", { onclick: () => close(false), autofocus: dangerous }),
      button(yes, { class: dangerous ? "button-danger" : "button-primary", onclick: () => close(true) }),
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
        buttons(button("Cancel", { onclick: () => close(null) }), h("button", { class: "button-primary" }, yes)),
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
  return h("div", { class: "dialog-answers" }, ...all);
}
