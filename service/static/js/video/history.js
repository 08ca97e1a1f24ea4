/** What was followed so far: each frame as it was sent, and the service's answer to it. */

import { make } from "../page/dom.js";
import { encodeCanvas } from "../page/files.js";
import { zip } from "../page/zip.js";
import { drawMarks } from "../stage/marks.js";
import { toMarks } from "./targets.js";

/** @typedef {{blob: Blob, answer: any}} Entry */

const MOST = 900; // the oldest are forgotten, so that a camera does not fill the memory
const QUALITY = 0.9;

export class History {
  constructor() {
    /** @type {Entry[]} */
    this.entries = [];
  }

  /** @param {Entry} entry */
  add(entry) {
    this.entries.push(entry);
    if (this.entries.length > MOST) this.entries.shift();
  }

  /** @returns {Entry} there is one from the beginning */
  get newest() {
    return this.entries[this.entries.length - 1];
  }

  /**
   * Return the last entry up to a frame, or the oldest that is known.
   * @param {number} index of the frame
   */
  near(index) {
    const later = this.entries.findIndex(({ answer }) => answer.frame_index > index);
    return later < 0 ? this.newest : this.entries[Math.max(0, later - 1)];
  }

  /**
   * Return everything as an archive: frames as they were sent, drawn frames, COCO's JSON.
   * @param {(done: number) => void} tell how many frames are in it
   * @returns {Promise<Blob>}
   */
  async toZip(tell) {
    const files = [];
    for (const [number, { blob, answer }] of this.entries.entries()) {
      const name = `${frameName(answer)}.jpg`;
      files.push({ name: `frames/${name}`, bytes: await bytesOf(blob) });
      files.push({ name: `drawn/${name}`, bytes: await bytesOf(await drawn(blob, answer)) });
      tell(number + 1);
    }
    const text = JSON.stringify(toCoco(this.entries.map(({ answer }) => answer)));
    files.push({ name: "tracks.json", bytes: new TextEncoder().encode(text) });
    return zip(files);
  }
}

/** @param {any} answer */
function frameName(answer) {
  return String(answer.frame_index).padStart(5, "0");
}

/** @param {Blob} blob */
async function bytesOf(blob) {
  return new Uint8Array(await blob.arrayBuffer());
}

/**
 * @param {Blob} blob
 * @param {any} answer
 * @returns {Promise<Blob>} the frame with its objects drawn on it
 */
async function drawn(blob, answer) {
  const bitmap = await createImageBitmap(blob);
  const canvas = make("canvas", { width: bitmap.width, height: bitmap.height });
  const context = canvas.getContext("2d");
  context.drawImage(bitmap, 0, 0);
  const style = { zoom: 1, unit: 1, opacity: 0.42, lit: null, hasCaptions: true };
  drawMarks(context, toMarks(answer.objects), style);
  bitmap.close();
  return encodeCanvas(canvas, "image/jpeg", QUALITY);
}

/**
 * Return answers as a COCO data set; `track_id` says which object it is on every frame.
 * @param {any[]} answers
 */
function toCoco(answers) {
  const seen = answers.flatMap(({ frame_index: index, objects }) =>
    objects
      .filter((/** @type {any} */ one) => one.visible)
      .map(({ id, label, visible: _, ...members }) => ({
        image_id: index, track_id: id, category_id: 1, iscrowd: 0, track_label: label, ...members,
      })),
  );
  return {
    images: answers.map((answer) => ({
      id: answer.frame_index, file_name: `frames/${frameName(answer)}.jpg`, ...answer.image,
    })),
    annotations: seen.map((one, index) => ({ id: index + 1, ...one })),
    categories: [{ id: 1, name: "object" }],
  };
}
