// A conversation as a file of one's own.

import { open } from "./api.js";
import { h } from "./dom.js";

export async function save(id, title) {
  const answer = await open("GET", `/api/export?conversation_id=${id}`);
  const address = URL.createObjectURL(await answer.blob());
  const name = (title || "conversation").replace(/[^\p{L}\p{N} _-]+/gu, "").trim().slice(0, 60) || "conversation";
  h("a", { href: address, download: `${name}.jsonl` }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
