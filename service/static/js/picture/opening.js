/** Pictures as the browser shows them, and as the service reads them. */

import { make } from "../page/dom.js";
import { encodeCanvas } from "../page/files.js";
import { Problem } from "../service/problems.js";

/** @typedef {{name: string, blob: Blob, bitmap: ImageBitmap}} Opened */

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
  const blob = READ.includes(file.type) ? file : await toPng(bitmap);
  return { name: file.name || "picture.png", blob, bitmap };
}

/** @param {ImageBitmap} bitmap */
function toPng(bitmap) {
  const canvas = make("canvas", { width: bitmap.width, height: bitmap.height });
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  return encodeCanvas(canvas, "image/png");
}
