/** The slider below the stage: how far following is; what is behind can be looked at again. */

import { find, show } from "../page/dom.js";
import { toMarks } from "./targets.js";

export class Timeline {
  /**
   * @param {HTMLElement} root
   * @param {import("../stage/stage.js").Stage} stage
   * @param {(isLast: boolean) => void} onLook told whether the newest frame is shown
   */
  constructor(root, stage, onLook) {
    this.root = root;
    this.stage = stage;
    this.onLook = onLook;
    this.slider = find(root, "input");
    this.number = find(root, "output");
    /** @type {import("./history.js").History | null} */
    this.history = null;
    this.count = 0;
    this.slider.addEventListener("input", () => this.#look());
  }

  /**
   * Stand at the newest frame.
   * @param {import("./history.js").History | null} history
   * @param {number} count of all frames, as far as it is known
   */
  update(history, count) {
    this.history = history;
    this.count = count;
    const last = (history?.entries.length ?? 0) - 1;
    show(this.root, last >= 0);
    this.slider.max = Number.isFinite(count) ? count - 1 : Math.max(0, last);
    this.slider.value = Math.max(0, last);
    this.#tell(last);
  }

  async #look() {
    const { history } = this;
    if (!history) return;
    const at = Math.min(Number(this.slider.value), history.entries.length - 1);
    this.slider.value = at; // nothing is known of what comes after
    const entry = history.entries[at];
    this.#tell(at);
    const bitmap = await createImageBitmap(entry.blob);
    if (at !== Number(this.slider.value)) return; // it has moved on meanwhile
    this.stage.show(bitmap, toMarks(entry.answer.objects));
    this.onLook(at === history.entries.length - 1);
  }

  /** @param {number} at */
  #tell(at) {
    const index = this.history?.entries[at]?.answer.frame_index;
    if (index === undefined) return;
    const all = Number.isFinite(this.count) ? ` of ${this.count}` : "";
    this.number.textContent = `Frame ${index + 1}${all}`;
  }
}
