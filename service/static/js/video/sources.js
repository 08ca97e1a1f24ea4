/** Where frames come from: a file that the browser plays, or a camera. */

import { make } from "../page/dom.js";
import { encodeCanvas } from "../page/files.js";
import { Problem } from "../service/problems.js";

/** @typedef {{bitmap: ImageBitmap, blob: Blob}} Frame as shown and as sent */

const LONGEST = 960; // pixels of a frame's longer side; networks see less of it anyway
const QUALITY = 0.92;
const REFUSALS = new Map([
  ["NotAllowedError", "The browser was told not to allow it."],
  ["NotReadableError", "Another program uses it."],
]);
const LIVE_PAUSE_MS = 40; // between frames of a camera

/** What files and cameras have in common: a video element and a canvas to take frames with. */
class Source {
  /** @param {HTMLVideoElement} video that shows a picture already */
  constructor(video) {
    this.video = video;
    const scale = Math.min(1, LONGEST / Math.max(video.videoWidth, video.videoHeight));
    const width = Math.round(video.videoWidth * scale);
    const height = Math.round(video.videoHeight * scale);
    this.canvas = make("canvas", { width, height });
  }

  /** @returns {Promise<Frame>} what the video shows now */
  async take() {
    const { canvas, video } = this;
    canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
    const blob = await encodeCanvas(canvas, "image/jpeg", QUALITY);
    return { bitmap: await createImageBitmap(canvas), blob };
  }
}

/** A video file, taken apart at an even rate. */
export class FileSource extends Source {
  isLive = false;
  index = 0;
  rate = 1;

  /**
   * @param {Blob} file
   * @param {string} name
   * @returns {Promise<FileSource>}
   */
  static async open(file, name) {
    const video = make("video", { muted: true, preload: "auto", playsInline: true });
    video.src = URL.createObjectURL(file);
    try {
      await once(video, "loadeddata");
    } catch {
      URL.revokeObjectURL(video.src);
      const detail = `The browser cannot play ${name}. WebM and MP4 are the likeliest to work.`;
      throw new Problem("The video cannot be opened", detail);
    }
    return new FileSource(video);
  }

  /** @returns {number} frames in all, as far as the file tells */
  get count() {
    const { duration } = this.video;
    return Number.isFinite(duration) ? Math.max(1, Math.round(duration * this.rate)) : Infinity;
  }

  /** @returns {Promise<Frame | null>} the next frame; null after the last */
  async next() {
    if (this.index >= this.count) return null;
    const wanted = (this.index + 0.5) / this.rate; // the middle of its time: no rounding decides
    const found = once(this.video, "seeked");
    this.video.currentTime = wanted;
    await found;
    if (this.index && this.video.currentTime < wanted - 0.1 / this.rate) return null; // nothing is there
    this.index++;
    return this.take();
  }

  /**
   * Begin anew.
   * @param {number} rate frames a second
   */
  rewind(rate) {
    this.index = 0;
    this.rate = rate;
  }

  close() {
    URL.revokeObjectURL(this.video.src);
  }
}

/** A camera: always its newest picture. */
export class CameraSource extends Source {
  isLive = true;
  count = Infinity;

  /** @returns {Promise<CameraSource>} */
  static async open() {
    if (!navigator.mediaDevices) {
      const detail = "Browsers open cameras only for pages over HTTPS or from the same machine.";
      throw new Problem("The camera cannot be used here", detail);
    }
    let stream;
    try {
      const wanted = { width: { ideal: 640 }, facingMode: { ideal: "environment" } };
      stream = await navigator.mediaDevices.getUserMedia({ video: wanted });
    } catch (error) {
      const detail = REFUSALS.get(/** @type {Error} */ (error).name) ?? "None was found.";
      throw new Problem("The camera cannot be used", detail);
    }
    const video = make("video", { muted: true, playsInline: true, srcObject: stream });
    await video.play();
    return new CameraSource(video);
  }

  /** @returns {Promise<Frame | null>} the newest frame; null once the camera is off */
  async next() {
    await new Promise((resolve) => setTimeout(resolve, LIVE_PAUSE_MS));
    return this.video.srcObject ? this.take() : null;
  }

  /** A camera goes on. */
  rewind() {}

  close() {
    const stream = /** @type {MediaStream | null} */ (this.video.srcObject);
    stream?.getTracks().forEach((track) => track.stop());
    this.video.srcObject = null;
  }
}

/**
 * @param {HTMLVideoElement} video
 * @param {string} event
 * @returns {Promise<void>} rejects if the video fails first
 */
function once(video, event) {
  return new Promise((resolve, reject) => {
    const ended = new AbortController();
    const settle = (/** @type {(value?: any) => void} */ act) => () => {
      ended.abort();
      act();
    };
    const { signal } = ended;
    video.addEventListener(event, settle(resolve), { signal });
    video.addEventListener("error", settle(() => reject(new Error("the video failed"))), { signal });
  });
}
