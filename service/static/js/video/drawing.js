/** The tools of the video tab: a box or a brush, one of them at a time. */

import { find, show } from "../page/dom.js";
import { BoxTool } from "../stage/boxes.js";
import { BrushTool } from "../stage/brush.js";

/** @typedef {{box: import("../stage/boxes.js").Box} | {mask: import("../masks/rle.js").Rle}} Told */

export class Drawing {
  /**
   * @param {HTMLElement} root with the choice of the tool
   * @param {import("../stage/stage.js").Stage} stage
   * @param {(told: Told) => void} take told of each box, and of the mask after each stroke
   */
  constructor(root, stage, take) {
    this.root = root;
    this.stage = stage;
    this.isOn = false;
    this.box = new BoxTool(stage, (box) => take({ box }));
    this.brush = new BrushTool(stage, (mask) => take({ mask }));
    stage.drawTool = (context, zoom) => {
      this.box.draw(context, zoom);
      this.brush.draw(context, zoom);
    };
    root.addEventListener("change", () => this.turn(this.isOn));
    find(root, "[name=radius]").addEventListener("input", () => this.#size());
    this.#size();
  }

  /** @returns {boolean} whether strokes add to one another */
  get isBrush() {
    return find(this.root, "[name=tool]:checked").value === "brush";
  }

  /** @param {boolean} isOn whether anything may be drawn now */
  turn(isOn) {
    this.isOn = isOn;
    this.box.turn(isOn && !this.isBrush);
    this.brush.turn(isOn && this.isBrush);
    this.stage.canvas.classList.toggle("drawing", isOn);
    show(find(this.root, ".radius"), this.isBrush);
    show(find(this.root, ".brush-keys"), this.isBrush);
    show(find(this.root, ".box-keys"), !this.isBrush);
  }

  /** Let the next stroke begin another mask. */
  renew() {
    this.brush.clear();
  }

  #size() {
    this.brush.radius = Number(find(this.root, "[name=radius]").value) / 1000;
    this.stage.redraw();
  }
}
