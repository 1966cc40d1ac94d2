// One turn: a question on its way, and its reply, whatever happens to the connection in between.

import { call, events, open, Problem, wait } from "./api.js";
import { announce, button, h } from "./dom.js";
import { GrowingReply, messageItem } from "./message.js";

const STREAM = { Accept: "text/event-stream" };
const LONGEST_REST = 8;
const COMPLETE = "The reply is complete.";

export class Turn {
  #leaving = new AbortController();
  #place = null;
  #hasLeft = false;
  #isToStop = false;

  // `began` hears of the conversation's id, `lost` that nobody answers for now, `ended` that all is stored; both
  // sides are then on the record.
  constructor(conversationId, { began, lost, ended, failed, grown }) {
    this.conversationId = conversationId;
    this.questionId = null;
    this.replyId = null;
    this.hears = { began, lost, ended, failed };
    this.element = h("ol", { class: "message-list" });
    this.growing = new GrowingReply(grown);
    this.running = false;
    this.isLost = false;
  }

  ask(text, key) {
    this.text = text;
    this.askedIn = this.conversationId;
    this.key = key ?? newKey();
    // Sent again it must be the same request, though the conversation may have got its id by then.
    this.body = { message: text, ...(this.conversationId && { session_id: this.conversationId }) };
    this.question = messageItem({ id: "", role: "user", content: text });
    this.question.classList.add("message-sending");
    this.element.replaceChildren(this.question, this.growing.element);
    return this.#send();
  }

  // The reply to a question that is stored already: it may be under way, here or in another tab.
  async listen(questionId) {
    this.running = true;
    try {
      const answer = await this.#stream();
      if (answer.status === 204) return false;
      for await (const event of events(answer)) {
        if (event.name === "session" && event.data.message_id !== questionId) return false;
        this.element.replaceChildren(this.growing.element);
        if (await this.#take(event)) return true;
      }
      return await this.#goOn();
    } catch (failed) {
      return this.#brokeOff(failed);
    } finally {
      this.running = false;
    }
  }

  async stop() {
    this.#isToStop = true;
    if (this.replyId) await call("POST", `/api/chat/${this.conversationId}/stop`);
  }

  // The reply goes on without this listener. A question that is still on its way arrives first.
  leave() {
    this.#hasLeft = true;
    if (this.questionId || !this.running) this.#leaving.abort();
  }

  // Another question is asked. What was heard of a reply that is lost stays until the record has it.
  makeWay() {
    this.leave();
    if (!this.isLost || !this.growing.text) this.element.remove();
  }

  // Its messages are shown by the page they belong to. Whether the turn is over with this one: a reply that is
  // on the record is complete, whatever becomes of the stream that was to say so. Why one is only a part is
  // still to be heard.
  isShown(message) {
    if (message.id === this.questionId) this.question?.remove();
    if (message.id !== this.replyId) return false;
    this.growing.element.remove();
    if (message.status !== "complete") return false;
    this.element.remove();
    this.leave();
    announce(COMPLETE);
    return true;
  }

  async #send() {
    this.running = true;
    const given = { body: this.body, key: this.key, headers: STREAM, signal: this.#leaving.signal };
    try {
      const answer = await open("POST", "/api/chat/stream", given);
      for await (const event of events(answer)) if (await this.#take(event)) return true;
      return await this.#goOn();
    } catch (failed) {
      return this.#brokeOff(failed);
    } finally {
      this.running = false;
    }
  }

  // Whether that was the last of it.
  async #take(event) {
    if (event.id) this.#place = event.id;
    switch (event.name) {
      case "session":
        this.conversationId = event.data.session_id;
        this.questionId = event.data.message_id;
        this.replyId = event.data.reply_id;
        this.isLost = false;
        this.question?.classList.remove("message-sending");
        if (this.#hasLeft) this.#leaving.abort();
        await this.hears.began(this);
        if (this.#isToStop) await this.stop();
        return false;
      case "delta":
        this.growing.add(event.data.text);
        return false;
      case "done":
        announce(COMPLETE);
        await this.hears.ended(this);
        return true;
      case "error":
        await this.#fail(new Problem(event.data.status, event.data));
        return true;
      default:
        return false;
    }
  }

  async #goOn() {
    let rest = 0.5;
    while (true) {
      this.isLost = true;
      this.hears.lost(this);
      await wait(rest, this.#leaving.signal);
      rest = Math.min(LONGEST_REST, rest * 2);
      try {
        const answer = await this.#stream();
        if (answer.status === 204) {
          await this.hears.ended(this);
          return true;
        }
        for await (const event of events(answer)) {
          rest = 0.5;
          if (await this.#take(event)) return true;
        }
      } catch (failed) {
        if (!(failed instanceof Problem && failed.isAway)) throw failed;
      }
    }
  }

  async #brokeOff(failed) {
    if (failed.name === "AbortError") return false;
    if (!(failed instanceof Problem)) throw failed;
    if (failed.isAway && this.replyId) {
      try {
        return await this.#goOn();
      } catch (gone) {
        if (gone.name === "AbortError") return false;
        failed = gone;
      }
    }
    await this.#fail(failed);
    return false;
  }

  #stream() {
    const headers = this.#place ? { ...STREAM, "Last-Event-ID": this.#place } : STREAM;
    return open("GET", `/api/chat/${this.conversationId}/stream`, { headers, signal: this.#leaving.signal });
  }

  async #fail(problem) {
    this.running = false;
    if (!this.growing.text) this.growing.element.remove();
    await this.hears.failed(this, problem);
    const again = button("Send again", { class: "button-primary", onclick: () => this.#again(told) });
    const told = h("li", { class: "message-failed", role: "alert" }, h("p", {}, problem.message), this.text ? again : null);
    this.element.append(told);
  }

  // With the same key: what is stored already is not stored again.
  async #again(told) {
    told.remove();
    this.growing.restart();
    this.element.append(this.growing.element);
    this.#place = null;
    this.#isToStop = false;
    await this.#send();
  }
}

function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((each) => each.toString(16).padStart(2, "0")).join("");
}
