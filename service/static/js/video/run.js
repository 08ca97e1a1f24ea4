/** One run through a video: takes frames from a source and keeps a session supplied with them. */

import { dropObject } from "../service/calls.js";
import { Following } from "./following.js";
import { History } from "./history.js";
import { Pace } from "./pace.js";

/** @typedef {import("./sources.js").Frame} Frame */
/** @typedef {import("./reel.js").AnySource} AnySource */

const IN_FLIGHT = 3; // as many as the service works on at once
const LIVE_IN_FLIGHT = 6; // it drops the older ones

export class Run {
  /**
   * @param {AnySource} source its next frame is the one after the first
   * @param {Following} following
   * @param {Record<string, unknown>} options that the session was opened with
   */
  constructor(source, following, options) {
    this.source = source;
    this.following = following;
    this.options = options;
    this.history = new History();
    this.pace = new Pace();
    /** @type {import("../service/snippets.js").Edit[]} */
    this.edits = [];
    this.isGoing = false;
    this.isPumping = false;
    /** @type {(frame: Frame, answer: any) => void} */
    this.onFrame = () => {};
    /** @type {() => void} the source has no more frames */
    this.onEnd = () => {};
    /** @type {(error: unknown, retry: (() => void) | null) => void} */
    this.onProblem = () => {};
    following.onAnswer = (frame, answer, latency) => this.#take(frame, answer, latency);
    following.onProblem = (problem, canResume) => this.#fail(problem, canResume);
  }

  /**
   * Open a session, and stand at its first frame.
   * @param {AnySource} source
   * @param {Frame} first
   * @param {Record<string, unknown>} options
   */
  static async begin(source, first, options) {
    const following = await Following.begin(first, options, source.isLive);
    const run = new Run(source, following, options);
    run.history.add({ blob: first.blob, answer: following.opened });
    return run;
  }

  /** @returns {Record<string, unknown>[]} what was drawn on the first frame */
  get drawn() {
    return /** @type {Record<string, unknown>[] | undefined} */ (this.options.objects) ?? [];
  }

  /** Go on. */
  start() {
    this.isGoing = true;
    this.pace.clear();
    if (!this.isPumping) this.#pump();
  }

  /** Send no further frames; those that were sent are still answered. */
  pause() {
    this.isGoing = false;
  }

  /** Follow into one more frame. */
  async step() {
    this.pace.clear();
    await this.following.room(1);
    await this.#sendNext();
    await this.following.room(1);
  }

  /**
   * Tell objects anew on the frame that is reached.
   * @param {Record<string, unknown>[]} objects
   */
  async edit(objects) {
    const { frame_index: index } = await this.following.edit(objects);
    this.edits.push({ index, objects });
  }

  /** @param {number} id of an object that shall be followed no longer */
  async drop(id) {
    const { frame_index: index } = await dropObject(this.following.id, id);
    this.edits.push({ index, dropped: id });
  }

  /** End the session. */
  close() {
    this.isGoing = false;
    this.following.close();
  }

  async #pump() {
    this.isPumping = true;
    try {
      while (this.isGoing) {
        await this.following.room(this.source.isLive ? LIVE_IN_FLIGHT : IN_FLIGHT);
        if (this.isGoing) await this.#sendNext();
      }
    } catch (error) {
      this.isGoing = false;
      this.onProblem(error, null);
    } finally {
      this.isPumping = false;
    }
  }

  async #sendNext() {
    const frame = await this.source.next();
    if (this.following.isClosed) return;
    if (frame) {
      this.following.send(frame);
      return;
    }
    this.isGoing = false;
    await this.following.room(1);
    this.onEnd();
  }

  /**
   * @param {Frame} frame
   * @param {any} answer
   * @param {number} latency
   */
  #take(frame, answer, latency) {
    if (this.following.isClosed) return;
    this.pace.add(latency);
    this.history.add({ blob: frame.blob, answer });
    this.onFrame(frame, answer);
  }

  /**
   * @param {unknown} problem
   * @param {boolean} canResume
   */
  #fail(problem, canResume) {
    this.isGoing = false;
    this.onProblem(problem, canResume ? () => this.#resume() : null);
  }

  async #resume() {
    try {
      await this.following.resume();
      this.start();
    } catch (error) {
      this.onProblem(error, () => this.#resume());
    }
  }
}
