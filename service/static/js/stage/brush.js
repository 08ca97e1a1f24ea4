/** Masks painted on the stage, with a pointer or with keys. */

import { encode } from "../masks/rle.js";
import { make } from "../page/dom.js";

/** @typedef {{x: number, y: number}} Point in the picture's pixels */

const STEP = 0.01; // of the picture's longer side: how far an arrow key goes
const FAR = 5; // times as far with Shift
const ARROWS = new Map([
  ["ArrowLeft", [-1, 0]],
  ["ArrowRight", [1, 0]],
  ["ArrowUp", [0, -1]],
  ["ArrowDown", [0, 1]],
]);

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
    /** @type {Point | null} where the brush is */
    this.place = null;
    this.isDown = false;
    const { canvas } = stage;
    canvas.addEventListener("pointerdown", (event) => this.#begin(event));
    canvas.addEventListener("pointermove", (event) => this.#go(stage.locate(event)));
    canvas.addEventListener("pointerup", () => this.#lift());
    canvas.addEventListener("pointercancel", () => this.#lift());
    canvas.addEventListener("pointerleave", () => this.#leave());
    canvas.addEventListener("keydown", (event) => this.#press(event));
    canvas.addEventListener("focus", () => this.#arrive());
    canvas.addEventListener("blur", () => this.#leave());
  }

  /** @param {boolean} isOn */
  turn(isOn) {
    this.isOn = isOn;
    this.clear();
  }

  /** Begin with another mask. */
  clear() {
    this.paper = null;
    this.isDown = false;
    this.stage.redraw();
  }

  /** @returns {number} in the picture's pixels */
  get width() {
    return 2 * this.radius * this.stage.longest;
  }

  /**
   * Draw what is being painted, and the brush.
   * @param {CanvasRenderingContext2D} context
   * @param {number} zoom canvas pixels a picture pixel
   */
  draw(context, zoom) {
    if (!this.isOn) return;
    if (this.paper && this.isDown) {
      context.save();
      context.globalAlpha = 0.55;
      context.imageSmoothingEnabled = false;
      context.drawImage(this.paper, 0, 0, context.canvas.width, context.canvas.height);
      context.restore();
    }
    if (this.place) drawRing(context, this.place, (this.width / 2) * zoom, zoom, this.stage.unit);
  }

  /** @param {PointerEvent} event */
  #begin(event) {
    if (!this.isOn || !this.stage.picture || event.button !== 0) return;
    this.stage.canvas.setPointerCapture(event.pointerId);
    this.place = this.stage.locate(event);
    this.#lower(this.place);
  }

  /** @param {KeyboardEvent} event */
  #press(event) {
    if (!this.isOn || !this.stage.picture) return;
    const place = this.place ?? this.stage.middle;
    const way = ARROWS.get(event.key);
    if (way) {
      const step = STEP * this.stage.longest * (event.shiftKey ? FAR : 1);
      this.#go(this.stage.within(place.x + way[0] * step, place.y + way[1] * step));
    } else if (event.key === "Enter" && this.isDown) this.#lift();
    else if (event.key === "Enter") this.#lower(place);
    else return;
    event.preventDefault();
  }

  /** The focus has come: those who use keys shall see where the brush is. */
  #arrive() {
    if (!this.stage.canvas.matches(":focus-visible") || !this.stage.picture) return;
    this.place ??= this.stage.middle;
    this.stage.redraw();
  }

  #leave() {
    this.#lift();
    this.place = null;
    this.stage.redraw();
  }

  /** @param {Point} place */
  #lower(place) {
    const { picture } = this.stage;
    this.paper ??= make("canvas", { width: picture?.width, height: picture?.height });
    this.isDown = true;
    this.#go(place);
  }

  /** @param {Point} place where the brush goes, painting if it is down */
  #go(place) {
    if (!this.isOn) return;
    const from = this.place ?? place;
    this.place = place;
    if (this.isDown && this.paper) {
      const context = contextOf(this.paper);
      context.lineCap = "round";
      context.lineWidth = this.width;
      context.strokeStyle = "#fff";
      context.beginPath();
      context.moveTo(from.x, from.y);
      context.lineTo(place.x, place.y);
      context.stroke();
    }
    this.stage.redraw();
  }

  #lift() {
    if (!this.isDown || !this.paper) return;
    this.isDown = false;
    const { width, height } = this.paper;
    const { data } = contextOf(this.paper).getImageData(0, 0, width, height);
    const pixels = new Uint8Array(width * height);
    for (let at = 0; at < pixels.length; at++) pixels[at] = data[at * 4 + 3] > 127 ? 1 : 0;
    this.take(encode(pixels, width, height));
  }
}

/** @param {HTMLCanvasElement} paper @returns {CanvasRenderingContext2D} fast to read from */
function contextOf(paper) {
  return /** @type {any} */ (paper.getContext("2d", { willReadFrequently: true }));
}

/**
 * Draw where the brush is, and how wide.
 * @param {CanvasRenderingContext2D} context
 * @param {Point} place
 * @param {number} radius canvas pixels
 * @param {number} zoom canvas pixels a picture pixel
 * @param {number} unit canvas pixels a CSS pixel
 */
function drawRing(context, { x, y }, radius, zoom, unit) {
  context.save();
  for (const [width, colour] of [[3, "rgb(0 0 0 / 60%)"], [1.5, "#fff"]]) {
    context.lineWidth = Number(width) * unit;
    context.strokeStyle = String(colour);
    context.beginPath();
    context.arc(x * zoom, y * zoom, radius, 0, 2 * Math.PI);
    context.stroke();
  }
  context.restore();
}
