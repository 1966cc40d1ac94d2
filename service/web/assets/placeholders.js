// What stands where a conversation would be: before there is one, until it has come, or because it cannot.

import { Problem } from "./api.js";
import { button, h } from "./dom.js";

export function welcome() {
  return h(
    "div",
    { class: "notice-empty" },
    h("p", { class: "notice-large" }, "What is on your mind?"),
    h("p", {}, "Everything said here is kept word for word, and found again by search."),
  );
}

export function skeleton() {
  const lines = [60, 85, 40, 70, 90, 55].map((width, at) => {
    const line = h("div", { class: at % 2 ? "skeleton-line" : "skeleton-line skeleton-mine" });
    line.style.width = `${width * 0.6}%`;
    return line;
  });
  return h("div", { class: "skeleton", role: "status", "aria-label": "Loading the conversation" }, ...lines);
}

export function cannot(failed, again) {
  const isGone = failed.status === 404;
  const retry = again && !isGone ? button("Try again", { class: "button-primary", onclick: again }) : null;
  const words = isGone && !(failed instanceof Problem && failed.message.includes("erased"))
    ? "There is no such conversation, or it is somebody else's."
    : failed.message;
  return h("div", { class: "notice-empty", role: "alert" }, h("p", {}, words), retry);
}
