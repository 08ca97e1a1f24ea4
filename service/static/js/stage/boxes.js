/** Boxes drawn on the stage, with a pointer or with keys. */

/** @typedef {[number, number, number, number]} Box x, y, width, height in the picture's pixels */

const LEAST = 3; // a smaller drag, in the picture's pixels, was a click
const STEP = 0.02; // of the picture's longer side: how far an arrow key goes

export class BoxTool {
  /**
   * @param {import("./stage.js").Stage} stage
   * @param {(box: Box) => void} take told of each box once it is finished
   */
  constructor(stage, take) {
    this.stage = stage;
    this.take = take;
    this.isOn = false;
    /** @type {Box | null} */
    this.draft = null;
    /** @type {{x: number, y: number} | null} where the drag began */
    this.start = null;
    const { canvas } = stage;
    canvas.addEventListener("pointerdown", (event) => this.#begin(event));
    canvas.addEventListener("pointermove", (event) => this.#drag(event));
    canvas.addEventListener("pointerup", () => this.#end());
    canvas.addEventListener("pointercancel", () => this.#drop());
    canvas.addEventListener("keydown", (event) => this.#press(event));
  }

  /** @param {boolean} isOn */
  turn(isOn) {
    this.isOn = isOn;
    this.#drop();
  }

  /**
   * Draw the box that is being made.
   * @param {CanvasRenderingContext2D} context
   * @param {number} zoom
   */
  draw(context, zoom) {
    if (this.draft) drawDashed(context, this.draft, zoom, this.stage.unit);
  }

  /** @param {PointerEvent} event */
  #begin(event) {
    if (!this.isOn || event.button !== 0) return;
    this.stage.canvas.setPointerCapture(event.pointerId);
    this.start = this.stage.locate(event);
  }

  /** @param {PointerEvent} event */
  #drag(event) {
    if (!this.start) return;
    const { x, y } = this.stage.locate(event);
    const [left, top] = [Math.min(x, this.start.x), Math.min(y, this.start.y)];
    const [width, height] = [Math.abs(x - this.start.x), Math.abs(y - this.start.y)];
    this.#set([left, top, width, height]);
  }

  #end() {
    if (this.start) this.#finish();
  }

  #finish() {
    const box = this.draft;
    this.#drop();
    if (box && box[2] >= LEAST && box[3] >= LEAST) {
      this.take(/** @type {Box} */ (box.map((side) => Math.round(side * 10) / 10)));
    }
  }

  #drop() {
    this.start = null;
    this.#set(null);
  }

  /** @param {Box | null} box */
  #set(box) {
    this.draft = box;
    this.stage.redraw();
  }

  /** @param {KeyboardEvent} event */
  #press(event) {
    const { picture } = this.stage;
    if (!this.isOn || !picture) return;
    if (event.key === "Enter" && this.draft) this.#finish();
    else if (event.key === "Enter") {
      const [width, height] = [picture.width / 4, picture.height / 4];
      this.#set([(picture.width - width) / 2, (picture.height - height) / 2, width, height]);
    } else if (event.key === "Escape" && this.draft) this.#drop();
    else if (event.key.startsWith("Arrow") && this.draft) {
      this.#set(nudge(this.draft, event, picture));
    } else return;
    event.preventDefault();
  }
}

/**
 * Draw a box in dashes that are seen on every colour.
 * @param {CanvasRenderingContext2D} context
 * @param {Box} box
 * @param {number} zoom canvas pixels a picture pixel
 * @param {number} unit canvas pixels a CSS pixel
 */
export function drawDashed(context, box, zoom, unit) {
  const [x, y, width, height] = box.map((side) => side * zoom);
  context.save();
  context.lineWidth = 2 * unit;
  context.setLineDash([6 * unit, 6 * unit]);
  for (const [colour, offset] of [["#000", 0], ["#fff", 6]]) {
    context.lineDashOffset = Number(offset) * unit;
    context.strokeStyle = String(colour);
    context.strokeRect(x, y, width, height);
  }
  context.restore();
}

/**
 * Move a box by an arrow key, or with Shift its lower right corner.
 * @param {Box} box
 * @param {KeyboardEvent} event
 * @param {{width: number, height: number}} picture
 * @returns {Box}
 */
function nudge([x, y, width, height], { key, shiftKey }, picture) {
  const step = Math.max(picture.width, picture.height) * STEP;
  const across = { ArrowLeft: -step, ArrowRight: step }[key] ?? 0;
  const down = { ArrowUp: -step, ArrowDown: step }[key] ?? 0;
  if (shiftKey) {
    const [newWidth, newHeight] = [width + across, height + down];
    return [x, y, between(LEAST, newWidth, picture.width - x), between(LEAST, newHeight, picture.height - y)];
  }
  const [left, top] = [between(0, x + across, picture.width - width), between(0, y + down, picture.height - height)];
  return [left, top, width, height];
}

/**
 * @param {number} least
 * @param {number} value
 * @param {number} most
 */
function between(least, value, most) {
  return Math.max(least, Math.min(value, most));
}
