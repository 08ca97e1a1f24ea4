/** The slider below the stage: how far following is; what is behind can be looked at again. */

import { find, show } from "../page/dom.js";
import { toMarks } from "./targets.js";

export class Timeline {
  /**
   * @param {HTMLElement} root
   * @param {import("../stage/stage.js").Stage} stage
   * @param {{onMove: () => void, onLook: (isLast: boolean) => void}} told that somebody looks for a
   *   frame; whether the newest is shown
   */
  constructor(root, stage, { onMove, onLook }) {
    this.root = root;
    this.stage = stage;
    this.onMove = onMove;
    this.onLook = onLook;
    this.slider = find(root, "input");
    this.number = find(root, "output");
    /** @type {import("./history.js").History | null} */
    this.history = null;
    this.count = 0;
    this.isBack = false; // an older frame is looked at
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
    this.isBack = false;
    const newest = history?.newest.answer.frame_index ?? 0;
    show(this.root, Boolean(history));
    this.slider.max = Number.isFinite(count) ? count - 1 : newest;
    if (history) this.#stand(newest);
  }

  async #look() {
    const { history } = this;
    if (!history) return;
    const wanted = Number(this.slider.value);
    this.onMove();
    const { blob, answer } = history.near(wanted); // nothing is known of what comes after
    this.isBack = answer !== history.newest.answer;
    this.#stand(answer.frame_index);
    const bitmap = await createImageBitmap(blob);
    if (answer.frame_index !== Number(this.slider.value)) return; // it has moved on meanwhile
    this.stage.show(bitmap, toMarks(answer.objects));
    this.onLook(!this.isBack);
  }

  /** @param {number} index of a frame */
  #stand(index) {
    this.slider.value = index;
    const all = Number.isFinite(this.count) ? ` of ${this.count}` : "";
    this.number.textContent = `Frame ${index + 1}${all}`;
  }
}
