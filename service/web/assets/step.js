// What an agent did between what was said: it thought, called a tool, asked for leave, made an image.

import * as clock from "./clock.js";
import { h, written } from "./dom.js";

const NAMES = {
  approval: ({ role }) => (role === "user" ? "Approval answered" : "Approval asked for"),
  generated_image: () => "Image",
  instructions: ({ role }) => `Instructions from the ${role}`,
  item: ({ item }) => (item?.type ? `Item: ${item.type.replaceAll("_", " ")}` : "Item"),
  reasoning: () => "Reasoning",
  tool_call: () => "Tool call",
  tool_output: () => "Tool output",
};
const FOLDED = new Set(["instructions", "item", "reasoning"]);
const CODE = new Set(["approval", "tool_call", "tool_output"]);

export function stepItem(message) {
  const name = NAMES[message.kind](message);
  const about = [
    h("span", { class: "message-step-name" }, name),
    message.status === "interrupted" ? h("span", { class: "badge" }, "interrupted") : null,
    message.timestamp ? h("time", { datetime: message.timestamp, title: clock.full(message.timestamp) }, clock.clock(message.timestamp)) : null,
  ];
  const inside = FOLDED.has(message.kind)
    ? h("details", {}, h("summary", { class: "message-step-about" }, ...about), ...words(message, name))
    : h("div", {}, h("p", { class: "message-step-about" }, ...about), ...words(message, name));
  return h(
    "li",
    { class: "message message-step", data: { id: message.id, version: message.version ?? "", kind: message.kind } },
    h("article", { "aria-label": name }, inside),
  );
}

function words({ kind, content }, name) {
  if (!content) return [h("p", { class: "message-step-empty" }, kind === "reasoning" ? "Its words are not readable here." : "It has no words.")];
  if (CODE.has(kind)) return written(h("pre", { class: "message-step-words", tabindex: "0", "aria-label": name }), content);
  return written(h("p", { class: "message-step-words" }), content);
}
