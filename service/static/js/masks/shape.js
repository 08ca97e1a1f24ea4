/** A mask that can be drawn and asked where it is. */

import { make } from "../page/dom.js";
import { decode } from "./rle.js";

export class Shape {
  /**
   * @param {import("./rle.js").Rle} rle
   * @param {string} colour CSS
   */
  constructor(rle, colour) {
    this.crop = decode(rle);
    this.colour = colour;
    /** @type {HTMLCanvasElement | null} */
    this.silhouette = null;
  }

  /**
   * Whether a pixel of the picture is on the object.
   * @param {number} x
   * @param {number} y
   */
  covers(x, y) {
    const { left, top, width, height, pixels } = this.crop;
    const column = Math.floor(x) - left;
    const row = Math.floor(y) - top;
    if (column < 0 || row < 0 || column >= width || row >= height) return false;
    return pixels[row * width + column] === 1;
  }

  /**
   * Tint the object; every pixel of the mask stays a sharp square.
   * @param {CanvasRenderingContext2D} context in canvas pixels
   * @param {number} zoom canvas pixels a picture pixel
   * @param {number} opacity
   */
  tint(context, zoom, opacity) {
    const { left, top, width, height } = this.crop;
    if (!width) return;
    context.save();
    context.globalAlpha = opacity;
    context.imageSmoothingEnabled = false;
    const silhouette = this.#silhouette();
    context.drawImage(silhouette, left * zoom, top * zoom, width * zoom, height * zoom);
    context.restore();
  }

  /**
   * Draw a line around the object, outside of it.
   * @param {CanvasRenderingContext2D} context in canvas pixels
   * @param {number} zoom canvas pixels a picture pixel
   * @param {number} thickness canvas pixels
   */
  outline(context, zoom, thickness) {
    const { left, top, width, height } = this.crop;
    if (!width) return;
    const border = make("canvas", {
      width: width * zoom + 2 * thickness,
      height: height * zoom + 2 * thickness,
    });
    const inner = border.getContext("2d");
    inner.imageSmoothingEnabled = false;
    const stamp = (/** @type {number} */ x, /** @type {number} */ y) =>
      inner.drawImage(this.#silhouette(), thickness + x, thickness + y, width * zoom, height * zoom);
    for (const x of [-thickness, 0, thickness]) {
      for (const y of [-thickness, 0, thickness]) stamp(x, y);
    }
    inner.globalCompositeOperation = "destination-out";
    stamp(0, 0);
    context.drawImage(border, left * zoom - thickness, top * zoom - thickness);
  }

  #silhouette() {
    this.silhouette ??= fill(this.crop, this.colour);
    return this.silhouette;
  }
}

/**
 * Draw a mask in one colour, a canvas pixel for each of its pixels.
 * @param {import("./rle.js").Crop} crop
 * @param {string} colour
 * @returns {HTMLCanvasElement}
 */
function fill({ width, height, pixels }, colour) {
  const canvas = make("canvas", { width, height });
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  pixels.forEach((pixel, index) => {
    image.data[index * 4 + 3] = pixel * 255;
  });
  context.putImageData(image, 0, 0);
  context.globalCompositeOperation = "source-in";
  context.fillStyle = colour;
  context.fillRect(0, 0, width, height);
  return canvas;
}
