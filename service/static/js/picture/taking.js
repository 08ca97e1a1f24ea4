/** What a visitor takes along: the request as a command or a program, the answer as a file. */

import { find, make } from "../page/dom.js";
import { copy, encodeCanvas, save, saveJson, stem } from "../page/files.js";
import { confirmOn } from "../page/notice.js";
import { pictureCurl, picturePython } from "../service/snippets.js";
import { drawMarks } from "../stage/marks.js";
import { toCoco } from "./found.js";

/**
 * What was asked, and what the service said.
 * @typedef {Object} Answer
 * @property {string} task
 * @property {import("../service/calls.js").Options} options
 * @property {any} reply
 * @property {import("./opening.js").Opened} picture
 */

const PIXELS_PER_UNIT = 900; // lines and letters grow with the picture

/**
 * Make the buttons that copy and save work.
 * @param {HTMLElement} root
 * @param {import("../stage/stage.js").Stage} stage
 * @param {import("../page/notice.js").Notice} notice
 * @param {() => Answer | null} current
 */
export function offerAnswer(root, stage, notice, current) {
  const offer = (
    /** @type {string} */ name,
    /** @type {(answer: Answer, button: HTMLButtonElement) => unknown} */ act,
  ) => {
    const button = find(root, `[data-act=${name}]`);
    button.addEventListener("click", async () => {
      const answer = current();
      try {
        if (answer) await act(answer, button);
      } catch (error) {
        notice.fail(error);
      }
    });
  };
  offer("curl", async ({ task, picture, options }, button) => {
    await copy(pictureCurl(task, picture, options));
    confirmOn(button, "Copied");
  });
  offer("python", async ({ task, picture, options }, button) => {
    await copy(picturePython(task, picture, options));
    confirmOn(button, "Copied");
  });
  offer("coco", ({ reply, picture }) => {
    saveJson(toCoco(reply, picture.name), `${stem(picture.name)}.coco.json`);
  });
  offer("png", async ({ picture }) => {
    save(await drawWhole(picture.bitmap, stage), `${stem(picture.name)}.masks.png`);
  });
}

/**
 * Draw a picture in its own size, with captions on everything that was found.
 * @param {ImageBitmap} bitmap
 * @param {import("../stage/stage.js").Stage} stage
 * @returns {Promise<Blob>}
 */
function drawWhole(bitmap, { marks, opacity }) {
  const canvas = make("canvas", { width: bitmap.width, height: bitmap.height });
  const context = canvas.getContext("2d");
  context.drawImage(bitmap, 0, 0);
  const unit = Math.max(1, bitmap.width / PIXELS_PER_UNIT);
  drawMarks(context, marks, { zoom: 1, unit, opacity, lit: null, hasCaptions: true });
  return encodeCanvas(canvas, "image/png");
}
