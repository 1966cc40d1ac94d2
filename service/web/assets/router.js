// Which page an address means, and how to get from one to another without loading it anew.

const ROUTES = [
  [/^\/$/, (_, query) => ({ page: "chat", id: null, fresh: query.has("new") })],
  [/^\/c\/([0-9a-f-]{36})$/, ([, id], query) => ({ page: "chat", id, at: query.get("at") })],
  [/^\/c\/([0-9a-f-]{36})\/history$/, ([, id], query) => ({ page: "history", id, version: query.get("version") })],
  [/^\/service$/, () => ({ page: "service" })],
];

let show = () => {};

export function route(location_ = location) {
  for (const [pattern, made] of ROUTES) {
    const match = location_.pathname.match(pattern);
    if (match) return made(match, new URLSearchParams(location_.search));
  }
  return { page: "nowhere" };
}

export function begin(showing) {
  show = showing;
  addEventListener("popstate", () => show(route()));
  document.addEventListener("click", followed);
  show(route());
}

export function go(path) {
  if (path !== location.pathname + location.search) history.pushState(null, "", path);
  show(route());
}

// The address becomes another one for what is shown already.
export function rename(path) {
  history.replaceState(null, "", path);
}

function followed(click) {
  const link = click.target.closest?.("a[data-go]");
  const elsewhere = click.button !== 0 || click.metaKey || click.ctrlKey || click.shiftKey || click.altKey;
  if (!link || elsewhere || click.defaultPrevented) return;
  click.preventDefault();
  go(link.pathname + link.search);
}
