// Requests to the service, and what went wrong with them, in its own words.

import { session } from "./session.js";

export class Problem extends Error {
  constructor(status, told) {
    super(told.detail || told.title || `The service answered ${status}.`);
    this.status = status;
    this.type = told.type ?? "";
    this.told = told;
  }

  get isAway() {
    return this.status === 0 || this.status === 502 || this.status === 503 || this.status === 504;
  }
}

const AWAY = { type: "away", detail: "The service cannot be reached." };

export async function open(method, path, { body, key, headers, signal } = {}) {
  const sent = { Accept: "application/json", ...session.headers(), ...headers };
  if (body !== undefined) sent["Content-Type"] = "application/json";
  if (key) sent["Idempotency-Key"] = key;
  let answer;
  try {
    answer = await fetch(session.in(path), {
      method,
      headers: sent,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal,
      cache: "no-store",
    });
  } catch (failed) {
    if (failed.name === "AbortError") throw failed;
    throw new Problem(0, AWAY);
  }
  if (answer.ok) return answer;
  const told = await answer.json().catch(() => ({}));
  signal?.throwIfAborted(); // A refusal that was left half read says nothing.
  const problem = new Problem(answer.status, told);
  if (problem.status === 401) dispatchEvent(new CustomEvent("turned-away", { detail: problem }));
  throw problem;
}

export async function call(method, path, given) {
  const answer = await open(method, path, given);
  return answer.status === 204 ? null : answer.json();
}

// The events of a stream, one after the other, until it ends. A stream that breaks off raises a Problem.
export async function* events(answer) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let unread = "";
  try {
    while (true) {
      const { value, done } = await reader.read();
      if (done) return;
      unread += value;
      let end;
      while ((end = unread.indexOf("\n\n")) >= 0) {
        const event = parsed(unread.slice(0, end));
        unread = unread.slice(end + 2);
        yield event;
      }
    }
  } catch (failed) {
    if (failed.name === "AbortError") throw failed;
    throw new Problem(0, AWAY);
  } finally {
    reader.cancel().catch(() => {});
  }
}

function parsed(text) {
  const event = { name: "", id: "", data: null };
  for (const line of text.split("\n")) {
    const at = line.indexOf(": ");
    const field = line.slice(0, at);
    if (field === "event") event.name = line.slice(at + 2);
    else if (field === "id") event.id = line.slice(at + 2);
    else if (field === "data") event.data = JSON.parse(line.slice(at + 2));
  }
  return event;
}

// Whoever waits again and again with one signal leaves nothing at it.
export function wait(seconds, signal) {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const leave = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", leave);
      resolve();
    }, seconds * 1000);
    signal?.addEventListener("abort", leave, { once: true });
  });
}

export function query(path, given) {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(given)) {
    if (value !== undefined && value !== null && value !== "" && value !== false) parameters.set(name, value);
  }
  return parameters.size ? `${path}?${parameters}` : path;
}
