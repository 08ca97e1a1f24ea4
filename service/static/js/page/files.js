/** What leaves the page: downloads and the clipboard. */

import { make } from "./dom.js";

/**
 * Offer bytes as a download.
 * @param {Blob} blob
 * @param {string} name
 */
export function save(blob, name) {
  const url = URL.createObjectURL(blob);
  make("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000); // the download reads it meanwhile
}

/**
 * Offer a value as a JSON file.
 * @param {unknown} value
 * @param {string} name
 */
export function saveJson(value, name) {
  save(new Blob([JSON.stringify(value)], { type: "application/json" }), name);
}

/**
 * Put a text on the clipboard, also where the page was not loaded over HTTPS.
 * @param {string} text
 * @returns {Promise<void>} rejects if the browser does not allow it
 */
export async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = make("textarea", { value: text, className: "off-screen" });
  document.body.append(area);
  area.select();
  const isCopied = document.execCommand("copy");
  area.remove();
  if (!isCopied) throw new Error("the browser does not let the page copy");
}

/**
 * Return a file's name without what tells its kind.
 * @param {string} name
 */
export function stem(name) {
  return name.replace(/\.[^.]*$/, "") || "picture";
}

/**
 * Encode a canvas.
 * @param {HTMLCanvasElement} canvas
 * @param {string} type
 * @param {number} [quality]
 * @returns {Promise<Blob>}
 */
export function encodeCanvas(canvas, type, quality) {
  return new Promise((resolve, reject) => {
    const done = (/** @type {Blob | null} */ blob) =>
      blob ? resolve(blob) : reject(new Error("The browser could not encode the picture."));
    canvas.toBlob(done, type, quality);
  });
}
