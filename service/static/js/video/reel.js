/** The video that is open: its source, and the frame at which following begins. */

/** @typedef {import("./sources.js").FileSource | import("./sources.js").CameraSource} AnySource */
/** @typedef {import("./sources.js").Frame} Frame */

export class Reel {
  constructor() {
    this.name = "video";
    /** @type {AnySource | null} */
    this.source = null;
    /** @type {Frame | null} */
    this.first = null;
    this.isHeld = false;
  }

  /** @returns {number} frames of the video, as far as that is known */
  get count() {
    return this.source?.count ?? 0;
  }

  /**
   * Take another video; the one before is closed.
   * @param {AnySource} source
   * @param {string} name
   */
  open(source, name) {
    this.close();
    this.source = source;
    this.name = name;
  }

  /**
   * Show the first frame; of a camera one after the other, until one is held.
   * @param {number} rate frames a second to take from a file
   * @param {(frame: Frame) => void} show
   */
  async rewind(rate, show) {
    const { source } = this;
    if (!source) return;
    this.isHeld = !source.isLive;
    source.rewind(rate);
    do {
      const frame = await source.next();
      if (!frame || source !== this.source) return;
      this.first = frame;
      show(frame);
    } while (!this.isHeld);
  }

  /** Let the frame that is shown be the first. */
  hold() {
    this.isHeld = true;
  }

  /** Let the video go. */
  close() {
    this.source?.close();
    this.source = null;
    this.first = null;
  }
}
