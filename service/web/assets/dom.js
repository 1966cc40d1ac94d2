// Elements, made of words and never of markup: what somebody wrote cannot become a part of the page.

export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  set(element, properties);
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

function set(element, properties) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else if (name === "data") Object.assign(element.dataset, value);
    else element.setAttribute(name, value === true ? "" : value);
  }
}

const SVG = "http://www.w3.org/2000/svg";

export function svg(tag, properties = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(properties)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const PATHS = {
  plus: "M12 5v14M5 12h14",
  back: "M15 5l-7 7 7 7",
  more: "M12 5.5v.01M12 12v.01M12 18.5v.01",
  copy: "M9 9h10v11H9zM15 9V4H5v11h4",
  done: "M5 12.5l4.5 4.5L19 7.5",
  good: "M7 11v9H4v-9zM7 11l4-7c1.5 0 2.3 1 2 2.500L12.500 10H19l-1.500 10H7",
  bad: "M7 13V4H4v9zM7 13l4 7c1.500 0 2.300-1 2-2.500L12.500 14H19L17.500 4H7",
  send: "M12 19V5M6 11l6-6 6 6",
  stop: "M7 7h10v10H7z",
  search: "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM16 16l4.500 4.500",
  down: "M12 5v14M6 13l6 6 6-6",
  close: "M6 6l12 12M18 6L6 18",
  person: "M12 4a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM4.500 20c1-4 4-5.500 7.500-5.500s6.500 1.500 7.500 5.500",
};

export function icon(name) {
  const path = svg("path", { d: PATHS[name] });
  return svg("svg", { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true" }, path);
}

export function button(words, properties, ...children) {
  return h("button", { type: "button", ...properties }, ...(children.length ? children : [words]));
}

// A button that shows only a sign says its name to whoever cannot see it, and when one points at it.
export function signButton(sign, name, properties = {}) {
  return button(name, { class: "button-sign", "aria-label": name, title: name, ...properties }, icon(sign));
}

export function replace(element, ...children) {
  element.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined));
}

const HIDDEN_BEFORE = 4_000;

// Words as they were written; of very many the beginning, and all of them when somebody asks.
export function written(element, text) {
  if (text.length <= HIDDEN_BEFORE) {
    element.textContent = text;
    return [element];
  }
  element.textContent = `${text.slice(0, HIDDEN_BEFORE)}…`;
  const rest = button(`Show all ${text.length.toLocaleString()} characters`, { class: "button-plain" });
  rest.addEventListener("click", () => {
    element.textContent = text;
    rest.remove();
  });
  return [element, rest];
}

// Browsers let a page write to the clipboard only where its address is this machine's or begins with https.
export async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    announce("This browser does not let the page copy.");
    return false;
  }
  announce(`${what} is copied.`);
  return true;
}

// Said aloud by a screen reader, shown to nobody.
export function announce(words) {
  document.getElementById("said").textContent = words;
}
