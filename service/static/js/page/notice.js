/** The line below the stage: what is going on, what came out, what went wrong. */

import { toProblem } from "../service/problems.js";
import { find, make } from "./dom.js";

export class Notice {
  /** @param {HTMLElement} root an element of the class `notice`, announced by screen readers */
  constructor(root) {
    this.root = root;
  }

  /** @param {string} text what is being done */
  busy(text) {
    this.#set("busy", make("p", {}, text));
  }

  /** @param {string} text what was done */
  tell(text) {
    this.#set("told", make("p", {}, text));
  }

  /**
   * Say what went wrong.
   * @param {unknown} error
   * @param {(() => void) | null} [retry] what a button shall do
   */
  fail(error, retry = null) {
    const problem = toProblem(error);
    const parts = [make("h3", {}, problem.title), make("p", {}, problem.detail)];
    if (problem.hint) parts.push(make("p", {}, problem.hint));
    if (retry) {
      const button = make("button", { type: "button", className: "quiet" }, "Try again");
      button.addEventListener("click", retry);
      parts.push(button);
    }
    if (problem.requestId) {
      parts.push(make("p", { className: "fine" }, `Request ${problem.requestId}`));
    }
    this.#set("failed", ...parts);
  }

  /** Say nothing. */
  clear() {
    this.#set("");
  }

  /**
   * @param {string} state
   * @param {...Node} parts
   */
  #set(state, ...parts) {
    this.root.dataset.state = state;
    this.root.replaceChildren(...parts);
  }
}

/**
 * Say on a button for a moment that it did its work.
 * @param {HTMLButtonElement} button
 * @param {string} text
 */
export function confirmOn(button, text) {
  const label = find(button, "span");
  button.dataset.label ??= label.textContent ?? "";
  label.textContent = text;
  setTimeout(() => {
    label.textContent = button.dataset.label ?? "";
  }, 1500);
}
