/** What was found, drawn: tinted masks, outlines, boxes, captions. */

import { Shape } from "../masks/shape.js";

const NARROW = 480; // CSS pixels of a stage: letters are smaller there

/**
 * One thing on a picture.
 * @typedef {Object} Mark
 * @property {number} id tells it from the others
 * @property {string} caption
 * @property {string} colour CSS
 * @property {[number, number, number, number]} box x, y, width, height in the picture's pixels
 * @property {Shape | null} shape
 * @property {boolean} [isQuiet] part of the list, but not drawn
 */

/**
 * How marks are drawn.
 * @typedef {Object} Style
 * @property {number} zoom canvas pixels a picture pixel
 * @property {number} unit canvas pixels a CSS pixel
 * @property {number} opacity of masks
 * @property {number | null} lit id of the mark that stands out
 * @property {boolean} hasCaptions on all marks; else on boxes and on the one that stands out
 */

/**
 * Draw marks; those at the end of the list lie below.
 * @param {CanvasRenderingContext2D} context in canvas pixels
 * @param {Mark[]} marks
 * @param {Style} style
 */
export function drawMarks(context, marks, style) {
  const drawn = marks.filter((mark) => !mark.isQuiet || mark.id === style.lit).reverse();
  for (const mark of drawn) drawMark(context, mark, style);
  for (const mark of drawn) {
    if (style.hasCaptions || !mark.shape || mark.id === style.lit) drawCaption(context, mark, style);
  }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Mark} mark
 * @param {Style} style
 */
function drawMark(context, mark, { zoom, unit, opacity, lit }) {
  const isLit = mark.id === lit;
  const isFaint = lit !== null && !isLit;
  if (mark.shape) {
    mark.shape.tint(context, zoom, opacity * (isLit ? 1.5 : isFaint ? 0.5 : 1));
    mark.shape.outline(context, zoom, Math.max(1, Math.round(unit * (isLit ? 3 : 2))));
  }
  if (mark.shape && !isLit) return;
  context.save();
  context.globalAlpha = isFaint ? 0.5 : 1;
  drawBox(context, mark, zoom, unit * (isLit ? 3.5 : 2.5));
  context.restore();
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Mark} mark
 * @param {number} zoom
 * @param {number} width canvas pixels
 */
function drawBox(context, mark, zoom, width) {
  const [x, y, boxWidth, boxHeight] = mark.box.map((side) => side * zoom);
  context.save();
  context.lineJoin = "round";
  context.lineWidth = width * 1.8;
  context.strokeStyle = "rgb(255 255 255 / 75%)"; // keeps the line visible on its own colour
  context.strokeRect(x, y, boxWidth, boxHeight);
  context.lineWidth = width;
  context.strokeStyle = mark.colour;
  context.strokeRect(x, y, boxWidth, boxHeight);
  context.restore();
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Mark} mark
 * @param {Style} style
 */
function drawCaption(context, mark, { zoom, unit }) {
  const isNarrow = context.canvas.width < NARROW * unit;
  const size = (isNarrow ? 11 : 13) * unit;
  const padding = (isNarrow ? 3 : 5) * unit;
  context.save();
  context.font = `600 ${size}px system-ui, sans-serif`;
  context.textBaseline = "middle";
  const width = context.measureText(mark.caption).width + 2 * padding + 10 * unit;
  const height = size + 2 * padding;
  const x = Math.max(0, Math.min(mark.box[0] * zoom, context.canvas.width - width));
  const y = Math.max(0, Math.min(mark.box[1] * zoom - height, context.canvas.height - height));
  context.fillStyle = "rgb(16 18 20 / 88%)";
  context.beginPath();
  context.roundRect(x, y, width, height, 4 * unit);
  context.fill();
  context.fillStyle = mark.colour;
  context.fillRect(x + padding, y + height / 2 - 3 * unit, 6 * unit, 6 * unit);
  context.fillStyle = "#fff";
  context.fillText(mark.caption, x + padding + 10 * unit, y + height / 2);
  context.restore();
}
