/** The line below the stage: what is going on, what came out, what went wrong. */

import { toProblem } from "../service/problems.js";
import { find, make } from "./dom.js";

/** @typedef {{label: string, act: () => void}} Remedy a button, and what it does */

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
   * Say what went wrong, and offer what may help.
   * @param {unknown} error
   * @param {(() => void) | null} [retry] the same once more; offered only where that may help
   * @param {Remedy | null} [remedy] something else
   */
  fail(error, retry = null, remedy = null) {
    const problem = toProblem(error);
    const parts = [make("h3", {}, problem.title), make("p", {}, problem.detail)];
    if (problem.hint) parts.push(make("p", {}, problem.hint));
    if (remedy) parts.push(offer(remedy));
    if (retry && problem.canRetry) parts.push(offer({ label: "Try again", act: retry }));
    if (problem.requestId) {
      parts.push(make("p", { className: "fine" }, `Request ${problem.requestId}`));
    }
    this.#set("failed", ...parts);
    this.root.scrollIntoView({ block: "nearest" });
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

/** @param {Remedy} remedy */
function offer({ label, act }) {
  const button = make("button", { type: "button", className: "quiet" }, label);
  button.addEventListener("click", act);
  return button;
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
