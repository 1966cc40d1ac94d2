// The page of whoever has not said who she is, or is not believed.

import { call } from "./api.js";
import { h, replace } from "./dom.js";
import { proves, session } from "./session.js";

export function page({ why, entered }, show) {
  document.title = "Sign in · Hansard";
  const failed = h("p", { class: "notice signin-refused", role: "alert", hidden: !why }, why ?? "");
  const form = proves ? tokenForm() : userForm();
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const given = Object.fromEntries(new FormData(form));
    session.forget();
    session.begin({ token: given.token?.trim(), user: given.user?.trim() });
    try {
      await isTaken();
      entered();
    } catch (refused) {
      session.forget();
      failed.hidden = false;
      replace(failed, refused.message);
    }
  });
  show(h("main", { class: "signin" }, h("h1", {}, "Hansard"), failed, form));
  form.querySelector("input, textarea").focus();
}

async function isTaken() {
  await call("GET", "/api/conversations?limit=1");
}

function userForm() {
  return h(
    "form",
    {},
    h("p", {}, "This server asks nobody to prove who they are. Whose conversations do you want to see?"),
    h("label", { for: "user" }, "User"),
    h("input", { id: "user", name: "user", required: true, maxlength: 255, autocomplete: "username", placeholder: "user123" }),
    h("button", { class: "button-primary" }, "Go on"),
  );
}

function tokenForm() {
  const user = h(
    "div",
    { hidden: true },
    h("label", { for: "user" }, "User to act for"),
    h("input", { id: "user", name: "user", maxlength: 255, autocomplete: "off" }),
  );
  const token = h("textarea", {
    id: "token",
    name: "token",
    rows: "4",
    required: true,
    spellcheck: "false",
    autocomplete: "off",
    oninput: (event) => (user.hidden = !event.target.value.trim().startsWith("hsk_")),
  });
  return h(
    "form",
    {},
    h("p", {}, "Paste the token that your application gave you. It stays in this tab, and is forgotten when you close it."),
    h("label", { for: "token" }, "Token or service key"),
    token,
    user,
    h("button", { class: "button-primary" }, "Sign in"),
  );
}
