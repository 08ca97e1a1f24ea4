/** Pictures as the browser shows them, and as the service reads them. */

import { make } from "../page/dom.js";
import { encodeCanvas } from "../page/files.js";
import { Problem } from "../service/problems.js";

/**
 * @typedef {Object} Opened
 * @property {string} name of its file
 * @property {Blob} blob as it is sent
 * @property {ImageBitmap} bitmap
 * @property {string} note in what it is sent otherwise than it was chosen; nothing if in nothing
 */

const QUALITY = 0.92;
const READ = ["image/jpeg", "image/png", "image/webp", "image/bmp"];

/**
 * Decode a picture; of a kind that the service does not read, its pixels are sent as PNG.
 * @param {File} file
 * @returns {Promise<Opened>}
 */
export async function openPicture(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    const detail = `The browser cannot show ${file.name}. It may be no picture, or be damaged.`;
    throw new Problem("The picture cannot be opened", detail);
  }
  const opened = { name: file.name || "picture.png", blob: file, bitmap, note: "" };
  return READ.includes(file.type) ? opened : asPng(opened);
}

/**
 * Return a picture whose pixels are sent as PNG.
 * @param {Opened} opened
 * @returns {Promise<Opened>}
 */
export async function asPng(opened) {
  const blob = await encodeCanvas(drawn(opened.bitmap, 1), "image/png");
  return { ...opened, blob, note: "sent as PNG" };
}

/**
 * Return a smaller picture, which is sent as JPEG.
 * @param {Opened} opened
 * @param {number} share of its pixels that may be left
 * @returns {Promise<Opened>}
 */
export async function asSmaller(opened, share) {
  const canvas = drawn(opened.bitmap, Math.sqrt(share));
  const blob = await encodeCanvas(canvas, "image/jpeg", QUALITY);
  const note = `made smaller, to ${canvas.width}x${canvas.height}`;
  return { ...opened, blob, bitmap: await createImageBitmap(canvas), note };
}

/**
 * @param {ImageBitmap} bitmap
 * @param {number} scale
 * @returns {HTMLCanvasElement}
 */
function drawn(bitmap, scale) {
  const width = Math.max(1, Math.floor(bitmap.width * scale));
  const height = Math.max(1, Math.floor(bitmap.height * scale));
  const canvas = make("canvas", { width, height });
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, width, height);
  return canvas;
}
