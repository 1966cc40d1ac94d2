// Markdown as elements. The parser only tells what is what; nothing it finds is ever read as HTML.

import { lexer } from "./vendor/marked.js";
import { button, copy, h } from "./dom.js";
import { decoded } from "./entities.js";

export function markdown(text) {
  const made = document.createDocumentFragment();
  made.append(...blocks(lexer(text, { gfm: true, breaks: true })));
  return made;
}

function blocks(tokens) {
  return tokens.map(block).filter(Boolean);
}

function block(token) {
  switch (token.type) {
    case "space":
    case "def":
      return null;
    case "heading":
      // The page has headings of its own above these.
      return h(`h${Math.min(6, token.depth + 2)}`, {}, ...inline(token.tokens));
    case "paragraph":
      return h("p", {}, ...inline(token.tokens));
    case "code":
      return code(token);
    case "blockquote":
      return h("blockquote", {}, ...blocks(token.tokens));
    case "list":
      return list(token);
    case "table":
      return table(token);
    case "hr":
      return h("hr");
    case "text":
      return h("span", {}, ...(token.tokens ? inline(token.tokens) : [decoded(token.text)]));
    case "checkbox":
      return box(token);
    default:
      return h("p", {}, token.raw);
  }
}

function code(token) {
  const copier = button("Copy", {
    class: "code-copy",
    onclick: async () => {
      copier.textContent = (await copy(token.text, "The code")) ? "Copied" : "Cannot copy";
      setTimeout(() => (copier.textContent = "Copy"), 2000);
    },
  });
  const language = (token.lang ?? "").split(/\s/)[0];
  return h(
    "figure",
    { class: "code" },
    h("figcaption", {}, h("span", {}, language), copier),
    h("pre", { tabindex: "0", "aria-label": `Code${language ? ` in ${language}` : ""}` }, h("code", {}, token.text)),
  );
}

function list(token) {
  const items = token.items.map((item) => h("li", { class: item.task ? "prose-task" : null }, ...blocks(item.tokens)));
  return h(token.ordered ? "ol" : "ul", { start: token.ordered && token.start !== 1 ? token.start : null }, ...items);
}

function box({ checked }) {
  return h("input", { type: "checkbox", disabled: true, checked, "aria-label": checked ? "Done" : "To do" });
}

function table(token) {
  const cell = (kind) => (each) => h(kind, { class: each.align ? `table-${each.align}` : null }, ...inline(each.tokens));
  return h(
    "div",
    { class: "table", tabindex: "0", role: "region", "aria-label": "Table" },
    h(
      "table",
      {},
      h("thead", {}, h("tr", {}, ...token.header.map(cell("th")))),
      h("tbody", {}, ...token.rows.map((row) => h("tr", {}, ...row.map(cell("td"))))),
    ),
  );
}

function inline(tokens) {
  return tokens.map(piece);
}

function piece(token) {
  switch (token.type) {
    case "text":
      return token.tokens ? h("span", {}, ...inline(token.tokens)) : decoded(token.text);
    case "checkbox":
      return box(token);
    case "escape":
      return token.text;
    case "strong":
      return h("strong", {}, ...inline(token.tokens));
    case "em":
      return h("em", {}, ...inline(token.tokens));
    case "del":
      return h("del", {}, ...inline(token.tokens));
    case "codespan":
      return h("code", {}, token.text);
    case "br":
      return h("br");
    case "link":
      return link(token.href, inline(token.tokens));
    case "image":
      // Loading it would tell its host that the message was read.
      return link(token.href, [`[image${token.text ? `: ${token.text}` : ""}]`]);
    default:
      return token.raw;
  }
}

const SAFE = new Set(["http:", "https:", "mailto:"]);

function link(href, words) {
  let protocol = "";
  try {
    protocol = new URL(href).protocol;
  } catch {
    // Not an address of its own: it would lead to somewhere in this service.
  }
  if (!SAFE.has(protocol)) return h("span", { title: href }, ...words);
  return h("a", { href, target: "_blank", rel: "noopener noreferrer nofollow" }, ...words);
}
