/** How fast answers come. */

const RECENT = 20;

export class Pace {
  constructor() {
    /** @type {{time: number, latency: number}[]} milliseconds */
    this.recent = [];
  }

  /** Forget what was, as after a pause. */
  clear() {
    this.recent = [];
  }

  /** @param {number} latency milliseconds from a frame's sending to its answer */
  add(latency) {
    this.recent.push({ time: performance.now(), latency });
    if (this.recent.length > RECENT) this.recent.shift();
  }

  /** @returns {string} the rate and the middle latency; nothing before two answers */
  get text() {
    if (this.recent.length < 2) return "";
    const seconds = (this.recent[this.recent.length - 1].time - this.recent[0].time) / 1000;
    const rate = (this.recent.length - 1) / Math.max(seconds, 0.001);
    const latencies = this.recent.map((one) => one.latency).sort((a, b) => a - b);
    const middle = latencies[Math.floor(latencies.length / 2)];
    return `${rate.toFixed(1)} frames a second · ${Math.round(middle)} ms each`;
  }
}
