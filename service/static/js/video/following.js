/** A session of the service over its WebSocket: frames and edits out, an answer to each in. */

import { closeSession, inspectSession, openSession } from "../service/calls.js";
import { Problem } from "../service/problems.js";

/** @typedef {import("./sources.js").Frame} Frame */

/**
 * A message that waits for its answer.
 * @typedef {Object} Sent
 * @property {Frame | null} frame null: an edit
 * @property {string | Blob} content
 * @property {number} time milliseconds
 * @property {(answer: any) => void} resolve
 * @property {(problem: Problem) => void} reject
 */

const BREAKS = new Map([
  [1009, "The frame has more bytes than the service takes."],
  [1011, "The service failed; its log says why."],
  [1012, "The service is being restarted."],
]);

export class Following {
  /**
   * Open a session at a frame.
   * @param {Frame} frame
   * @param {Record<string, unknown>} options
   * @param {boolean} isLive frames may be dropped for later ones
   * @returns {Promise<Following>}
   */
  static async begin(frame, options, isLive) {
    const following = new Following(await openSession(frame.blob, options), isLive);
    try {
      await following.#connect();
    } catch (error) {
      following.close();
      throw error;
    }
    return following;
  }

  /**
   * @param {any} opened the service's reply
   * @param {boolean} isLive
   */
  constructor(opened, isLive) {
    this.opened = opened;
    this.id = opened.session_id;
    this.isLive = isLive;
    this.index = opened.frame_index; // of the last answer
    /** @type {Sent[]} */
    this.pending = [];
    /** @type {{limit: number, resolve: () => void}[]} */
    this.waiting = [];
    this.isClosed = false;
    /** @type {(frame: Frame, answer: any, latency: number) => void} milliseconds */
    this.onAnswer = () => {};
    /** @type {(problem: Problem, canResume: boolean) => void} */
    this.onProblem = () => {};
  }

  /** @param {Frame} frame the next one */
  send(frame) {
    const sent = { frame, content: frame.blob, resolve: () => {}, reject: () => {} };
    this.#send({ ...sent, time: performance.now() });
  }

  /**
   * Tell objects anew, or more of them, on the frame that was sent last.
   * @param {Record<string, unknown>[]} objects
   * @returns {Promise<any>} the service's answer
   */
  edit(objects) {
    return new Promise((resolve, reject) => {
      const content = JSON.stringify({ objects });
      this.#send({ frame: null, content, time: performance.now(), resolve, reject });
    });
  }

  /**
   * Wait until few messages are unanswered.
   * @param {number} limit fewer than this
   * @returns {Promise<void>} at once when the session is closed
   */
  room(limit) {
    if (this.pending.length < limit || this.isClosed) return Promise.resolve();
    return new Promise((resolve) => this.waiting.push({ limit, resolve }));
  }

  /**
   * Take the session up again after its connection broke. The frame that it reached is sent once
   * more, which gets the same answer, and then those that it has not begun with.
   */
  async resume() {
    const { frame_index: reached } = await inspectSession(this.id);
    const frames = this.isLive ? [] : this.pending.filter((sent) => sent.frame);
    const lost = Math.max(0, reached - this.index - 1);
    this.pending = [];
    await this.#connect(frames.length > lost ? this.index + 1 + lost : null);
    for (const sent of frames.slice(lost)) this.#send(sent);
    this.#notify();
  }

  /** End the session. */
  close() {
    this.isClosed = true;
    this.socket?.close();
    closeSession(this.id);
    this.#notify();
  }

  /** @param {Sent} sent */
  #send(sent) {
    this.pending.push(sent);
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(sent.content);
  }

  /**
   * @param {number | null} [first] index of the first frame that will be sent
   * @returns {Promise<void>}
   */
  #connect(first = null) {
    const url = new URL(`sessions/${this.id}/stream`, location.href);
    url.protocol = url.protocol.replace("http", "ws");
    url.searchParams.set("policy", this.isLive ? "latest" : "all");
    if (first !== null) url.searchParams.set("frame_index", String(first));
    const socket = new WebSocket(url);
    this.socket = socket;
    socket.addEventListener("message", ({ data }) => this.#hear(JSON.parse(data)));
    return new Promise((resolve, reject) => {
      socket.addEventListener("open", () => resolve());
      socket.addEventListener("close", ({ code }) => {
        reject(new Problem("The stream cannot be opened", `The connection was closed: ${code}.`));
        this.#end(code);
      });
    });
  }

  /** @param {any} answer of the oldest message that was not dropped */
  #hear(answer) {
    for (let dropped = answer.dropped ?? 0; dropped > 0; dropped--) {
      this.pending.splice(this.pending.findIndex((sent) => sent.frame), 1);
    }
    const sent = this.pending.shift();
    if (answer.expected_frame_index > this.index + 1) this.index++; // its answer broke off
    else if (answer.code) this.#fail(answer, sent);
    else if (sent) {
      this.index = answer.frame_index;
      if (sent.frame) this.onAnswer(sent.frame, answer, performance.now() - sent.time);
      else sent.resolve(answer);
    }
    this.#notify();
  }

  /**
   * @param {any} answer
   * @param {Sent | undefined} sent
   */
  #fail(answer, sent) {
    const problem = new Problem(answer.title, answer.detail, answer);
    if (sent && !sent.frame) sent.reject(problem);
    else this.onProblem(problem, false);
  }

  /** @param {number} code */
  #end(code) {
    if (this.isClosed) return;
    for (const sent of this.pending.filter((one) => !one.frame)) {
      sent.reject(new Problem("The correction was lost", "The connection broke."));
    }
    if (code >= 4000) return; // the problem came before
    const detail = BREAKS.get(code) ?? "The session is kept for a while.";
    this.onProblem(new Problem("The connection broke", detail, { retryable: true }), true);
  }

  #notify() {
    const ready = this.waiting.filter(({ limit }) => this.pending.length < limit || this.isClosed);
    this.waiting = this.waiting.filter((one) => !ready.includes(one));
    for (const { resolve } of ready) resolve();
  }
}
