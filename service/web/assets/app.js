// What is on the page at which address; everything else is asked for when it is needed.

import { Changes } from "./changes.js";
import { announce, button, h, icon, replace } from "./dom.js";
import { Listed } from "./listed.js";
import { closeAll, menu } from "./menu.js";
import { begin, go } from "./router.js";
import { arriveWithToken, proves, session } from "./session.js";
import { Thread } from "./thread.js";

// Pages beside the chat, which come with their sheets when one goes there.
const BESIDE = {
  signin: () => together(import("./signin.js"), "signin"),
  history: () => together(import("./history.js"), "history"),
  service: () => together(import("./service.js"), "service", "chart", "replay"),
};

const body = document.getElementById("app");
const sheets = new Map();
let chat = null;
let shown = 0;

function makeChat() {
  const who = button("", { class: "listed-who", title: session.user }, icon("person"), h("span", {}, session.user ?? "Signed in"));
  const about = menu(who, () => [
    ["The service", "/service"],
    ["The API", () => (location.href = "/schema")],
    [proves ? "Sign out" : "Another user", leave],
  ]);
  const listed = new Listed(h("div", {}, who, about));
  const thread = new Thread({ listed, filter: (link) => listed.filterByLink(link) });
  const away = h("p", { class: "notice-away", role: "status", hidden: true }, "The connection is lost. What you read is what was there; trying again…");
  const changes = new Changes();
  changes.addEventListener("change", ({ detail }) => {
    if (detail.topic === "conversation_erased") listed.gone(detail.conversation_id);
    else listed.changed(detail.conversation_id);
    if (detail.conversation_id === thread.id) thread.changed(detail).catch((failed) => announce(failed.message));
  });
  changes.addEventListener("look-again", () => {
    listed.changed();
    thread.refresh().catch(() => {});
  });
  changes.addEventListener("connection", () => {
    away.hidden = changes.connected;
    if (changes.connected) {
      listed.changed();
      thread.refresh().catch(() => {});
    }
  });
  changes.addEventListener("turned-away", ({ detail }) => turnedAway(detail));
  listed.begin();
  return { element: h("main", { class: "chat" }, h("h1", { class: "aloud" }, "Hansard"), listed.element, thread.element, away), listed, thread, changes };
}

function leave() {
  session.end();
  show({ page: "signin" });
}

// Whoever is signing in already is told so there; of many answers that turn one away the first is enough.
function turnedAway(problem) {
  if (body.querySelector(".signin")) return;
  session.forget();
  show({ page: "signin", why: problem.message });
}

// Pages have scrollers of their own, which forget where they were when they leave the document.
function rememberPlaces() {
  if (!chat?.element.isConnected) return;
  chat.places = [chat.listed.scroller, chat.thread.scrolling.element].map((scroller) => [scroller, scroller.scrollTop]);
}

function showChat() {
  chat ??= makeChat();
  if (chat.element.isConnected) return;
  replace(body, chat.element);
  chat.places?.forEach(([scroller, top]) => (scroller.scrollTop = top));
}

function show(route) {
  present(route).catch((failed) => {
    console.error(failed);
    announce("Something went wrong on this page.");
  });
}

async function present(route) {
  shown += 1;
  closeAll();
  if (route.page === "nowhere") {
    document.title = "Hansard";
    const words = h("p", {}, "There is no such page here.");
    replace(body, h("main", { class: "notice-empty" }, words, h("a", { class: "button", href: "/", "data-go": "" }, "To the conversations")));
    return;
  }
  if (!session.isThere || route.page === "signin") {
    chat?.changes.stop();
    chat = null;
    await beside("signin", { why: route.why, entered: () => go(location.pathname + location.search) });
    return;
  }
  if (route.page === "chat") {
    showChat();
    chat.element.classList.toggle("chat-reading", route.id !== null || route.fresh);
    chat.listed.open(route.id);
    if (route.id === null || route.id !== chat.thread.id || route.at) await chat.thread.open(route.id, route.at);
    return;
  }
  await beside(route.page, route);
}

async function beside(name, route) {
  const showing = shown;
  const { page } = await BESIDE[name]();
  await page(route, (element) => {
    if (showing !== shown) return;
    rememberPlaces();
    replace(body, element);
    element.querySelector("h1").focus();
  });
}

// A script, when its sheets are there too.
async function together(script, ...names) {
  const [loaded] = await Promise.all([script, ...names.map(styled)]);
  return loaded;
}

function styled(name) {
  if (!sheets.has(name)) sheets.set(name, sheet(name));
  return sheets.get(name);
}

function sheet(name) {
  return new Promise((resolve, reject) => {
    const failed = () => {
      sheets.delete(name);
      link.remove();
      reject(new Error(`The sheet ${name} cannot be loaded.`));
    };
    const href = new URL(`./sheets/${name}.css`, import.meta.url).href;
    const link = h("link", { rel: "stylesheet", href, onload: resolve, onerror: failed });
    document.head.append(link);
  });
}

addEventListener("turned-away", ({ detail }) => turnedAway(detail));

arriveWithToken();
begin(show);

// Control or Command and K, or a slash where nothing is being written, lead to the search.
document.addEventListener("keydown", (event) => {
  const isTyping = event.target.closest?.("input, textarea, dialog");
  const wanted = (event.key === "k" && (event.ctrlKey || event.metaKey)) || (event.key === "/" && !isTyping);
  if (wanted && chat?.element.isConnected) {
    event.preventDefault();
    chat.listed.search.focus();
  }
});
