/** Masks painted on the stage with a pointer. */

import { encode } from "../masks/rle.js";
import { make } from "../page/dom.js";

export class BrushTool {
  /**
   * @param {import("./stage.js").Stage} stage
   * @param {(mask: import("../masks/rle.js").Rle) => void} take told of the mask after each stroke
   */
  constructor(stage, take) {
    this.stage = stage;
    this.take = take;
    this.isOn = false;
    this.radius = 0.03; // of the picture's longer side
    /** @type {HTMLCanvasElement | null} what was painted so far, a pixel for each of the picture */
    this.paper = null;
    /** @type {{x: number, y: number} | null} */
    this.last = null;
    const { canvas } = stage;
    canvas.addEventListener("pointerdown", (event) => this.#begin(event));
    canvas.addEventListener("pointermove", (event) => this.#stroke(event));
    canvas.addEventListener("pointerup", () => this.#end());
    canvas.addEventListener("pointercancel", () => this.#end());
  }

  /** @param {boolean} isOn */
  turn(isOn) {
    this.isOn = isOn;
    this.clear();
  }

  /** Begin with another mask. */
  clear() {
    this.paper = null;
    this.last = null;
    this.stage.redraw();
  }

  /**
   * Draw what is being painted.
   * @param {CanvasRenderingContext2D} context
   */
  draw(context) {
    if (!this.paper || !this.last) return;
    context.save();
    context.globalAlpha = 0.55;
    context.imageSmoothingEnabled = false;
    context.drawImage(this.paper, 0, 0, context.canvas.width, context.canvas.height);
    context.restore();
  }

  /** @param {PointerEvent} event */
  #begin(event) {
    const { picture, canvas } = this.stage;
    if (!this.isOn || !picture || event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    this.paper ??= make("canvas", { width: picture.width, height: picture.height });
    this.last = this.stage.locate(event);
    this.#stroke(event);
  }

  /** @param {PointerEvent} event */
  #stroke(event) {
    if (!this.last || !this.paper) return;
    const { x, y } = this.stage.locate(event);
    const context = /** @type {CanvasRenderingContext2D} */ (this.paper.getContext("2d"));
    context.lineCap = "round";
    context.lineWidth = 2 * this.radius * Math.max(this.paper.width, this.paper.height);
    context.strokeStyle = "#fff";
    context.beginPath();
    context.moveTo(this.last.x, this.last.y);
    context.lineTo(x, y);
    context.stroke();
    this.last = { x, y };
    this.stage.redraw();
  }

  #end() {
    if (!this.last || !this.paper) return;
    this.last = null;
    const { width, height } = this.paper;
    const context = /** @type {CanvasRenderingContext2D} */ (this.paper.getContext("2d"));
    const { data } = context.getImageData(0, 0, width, height);
    const pixels = new Uint8Array(width * height);
    for (let at = 0; at < pixels.length; at++) pixels[at] = data[at * 4 + 3] > 127 ? 1 : 0;
    this.take(encode(pixels, width, height));
  }
}
