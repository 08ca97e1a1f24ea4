/** The canvas: a picture, what was found on it, and what a tool draws meanwhile. */

import { drawMarks } from "./marks.js";

/** @typedef {import("./marks.js").Mark} Mark */

const WIDEST = 1200; // small pictures are enlarged to about this, in whole steps
const MOST_ZOOM = 8;
const OPACITY = 0.42;

export class Stage {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    this.context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    /** @type {ImageBitmap | null} */
    this.picture = null;
    this.zoom = 1;
    /** @type {Mark[]} */
    this.marks = [];
    /** @type {number | null} */
    this.lit = null;
    this.opacity = OPACITY;
    /** @type {{marks: Mark[], share: number} | null} what is shown left of a line instead */
    this.wipe = null;
    /** @type {((context: CanvasRenderingContext2D, zoom: number) => void) | null} */
    this.drawTool = null;
    /** @type {(id: number | null) => void} told what the pointer is over */
    this.onPoint = () => {};
    this.isDue = false;
    canvas.addEventListener("pointermove", (event) => this.#point(event));
    canvas.addEventListener("pointerdown", (event) => this.#point(event));
    canvas.addEventListener("pointerleave", (event) => {
      if (event.pointerType !== "touch") this.onPoint(null); // fingers leave to let one see
    });
    new ResizeObserver(() => this.redraw()).observe(canvas);
  }

  /**
   * Show a picture and forget what was drawn.
   * @param {ImageBitmap} picture
   * @param {Mark[]} [marks]
   */
  show(picture, marks = []) {
    const zoom = Math.floor(WIDEST / Math.max(picture.width, picture.height));
    this.zoom = Math.min(MOST_ZOOM, Math.max(1, zoom));
    if (picture !== this.picture) this.picture?.close(); // frees its memory at once
    this.picture = picture;
    this.wipe = null;
    const { width, height } = this.canvas;
    const [newWidth, newHeight] = [picture.width * this.zoom, picture.height * this.zoom];
    if (width !== newWidth || height !== newHeight) {
      this.canvas.width = newWidth;
      this.canvas.height = newHeight;
    }
    this.setMarks(marks);
  }

  /** @param {Mark[]} marks */
  setMarks(marks) {
    this.marks = marks;
    this.redraw();
  }

  /** @param {number | null} id of the mark that shall stand out */
  light(id) {
    if (id === this.lit) return;
    this.lit = id;
    this.redraw();
  }

  /** Draw with the browser's next frame. */
  redraw() {
    if (this.isDue) return;
    this.isDue = true;
    requestAnimationFrame(() => {
      this.isDue = false;
      this.draw();
    });
  }

  /** Draw now. */
  draw() {
    if (!this.picture) return;
    this.context.imageSmoothingQuality = "high";
    this.context.drawImage(this.picture, 0, 0, this.canvas.width, this.canvas.height);
    if (this.wipe) this.#drawWipe(this.wipe);
    else this.#drawMarks(this.marks);
    this.drawTool?.(this.context, this.zoom);
  }

  /** @returns {number} canvas pixels a CSS pixel */
  get unit() {
    return this.canvas.width / (this.canvas.clientWidth || this.canvas.width);
  }

  /**
   * Return where an event is, in the picture's pixels and within it.
   * @param {PointerEvent} event
   * @returns {{x: number, y: number}}
   */
  locate(event) {
    const bounds = this.canvas.getBoundingClientRect();
    const { width, height } = this.picture ?? { width: 0, height: 0 };
    const x = ((event.clientX - bounds.left) / bounds.width) * width;
    const y = ((event.clientY - bounds.top) / bounds.height) * height;
    return this.within(x, y);
  }

  /**
   * Return the place on the picture that is next to another.
   * @param {number} x
   * @param {number} y
   * @returns {{x: number, y: number}}
   */
  within(x, y) {
    const { width, height } = this.picture ?? { width: 0, height: 0 };
    return { x: Math.max(0, Math.min(x, width)), y: Math.max(0, Math.min(y, height)) };
  }

  /** @returns {{x: number, y: number}} of the picture */
  get middle() {
    return { x: (this.picture?.width ?? 0) / 2, y: (this.picture?.height ?? 0) / 2 };
  }

  /** @returns {number} the picture's longer side, in its pixels */
  get longest() {
    return Math.max(this.picture?.width ?? 0, this.picture?.height ?? 0);
  }

  /** @param {{marks: Mark[], share: number}} wipe */
  #drawWipe({ marks, share }) {
    const { width, height } = this.canvas;
    const line = Math.round(width * share);
    this.#drawWithin(0, line, marks);
    this.#drawWithin(line, width - line, this.marks);
    this.context.fillStyle = "#fff";
    this.context.fillRect(line - this.unit, 0, 2 * this.unit, height);
  }

  /**
   * @param {number} left
   * @param {number} width
   * @param {Mark[]} marks
   */
  #drawWithin(left, width, marks) {
    this.context.save();
    this.context.beginPath();
    this.context.rect(left, 0, width, this.canvas.height);
    this.context.clip();
    this.#drawMarks(marks);
    this.context.restore();
  }

  /** @param {Mark[]} marks */
  #drawMarks(marks) {
    const { zoom, unit, opacity, lit } = this;
    drawMarks(this.context, marks, { zoom, unit, opacity, lit, hasCaptions: false });
  }

  /** @param {PointerEvent} event */
  #point(event) {
    const { x, y } = this.locate(event);
    const under = this.marks.find((mark) => !mark.isQuiet && isOn(mark, x, y));
    this.onPoint(under ? under.id : null);
  }
}

/**
 * @param {Mark} mark
 * @param {number} x
 * @param {number} y
 */
function isOn({ shape, box }, x, y) {
  if (shape) return shape.covers(x, y);
  return x >= box[0] && y >= box[1] && x < box[0] + box[2] && y < box[1] + box[3];
}
