/** What is told of objects by drawing: the tools, the list and the marks on the stage agree. */

import { find, show } from "../page/dom.js";
import { followRows } from "../page/rows.js";
import { Drawing } from "./drawing.js";
import { Targets } from "./targets.js";

export class Sketch {
  /**
   * @param {HTMLElement} root of the tab
   * @param {import("../stage/stage.js").Stage} stage
   * @param {(id: number) => void} onRemove told which object shall be followed no longer
   */
  constructor(root, stage, onRemove) {
    this.root = root;
    this.stage = stage;
    this.drawing = new Drawing(find(root, ".drawing-tools"), stage, (told) => this.#draw(told));
    const told = { onChoose: () => this.#choose(), onName: () => stage.redraw(), onRemove };
    this.targets = new Targets(find(root, ".results"), told);
    followRows(this.targets.list, (id) => this.#light(id));
    stage.onPoint = (id) => this.#light(id);
    this.more = find(root, "[data-act=more]");
    /** @type {(target: import("./targets.js").Target) => void} told what was drawn */
    this.onDraw = () => {};
    /** @type {() => void} told when there are more or fewer objects */
    this.onCount = () => {};
    this.more.addEventListener("click", () => {
      this.targets.choose(null);
      this.stage.canvas.focus();
    });
  }

  /**
   * Forget what was drawn, or go back to what was drawn at first.
   * @param {Record<string, any>[]} [objects] as the service took them
   */
  reset(objects = []) {
    this.targets.clear();
    for (const { id, label, ...told } of objects) this.targets.add(id, label ?? "", told);
    this.#show();
  }

  /** @param {number} id of an object that is followed no longer */
  remove(id) {
    this.targets.remove(id);
    this.drawing.renew();
    // What is shown may be an older frame, whose marks are others than the newest.
    this.stage.setMarks(this.stage.marks.filter((mark) => mark.id !== id));
    this.onCount();
  }

  /** @param {number | null} id of the object that stands out, on the stage and in the list */
  #light(id) {
    this.stage.light(id);
    for (const row of this.targets.list.querySelectorAll("[data-id]")) {
      row.classList.toggle("pointed", Number(row.dataset.id) === id);
    }
  }

  #choose() {
    this.drawing.renew();
    show(this.more, this.targets.chosen !== null);
  }

  /** @param {import("./drawing.js").Told} told */
  #draw(told) {
    const target = this.targets.draw(told);
    if (this.drawing.isBrush) this.targets.chosen = target.id; // further strokes add to it
    else this.targets.chosen = null;
    this.#show();
    this.onDraw(target);
  }

  #show() {
    this.targets.render();
    show(this.more, this.targets.chosen !== null);
    this.stage.setMarks(this.targets.marks);
    this.onCount();
  }
}
