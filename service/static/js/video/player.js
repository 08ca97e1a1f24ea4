/** Following made visible: opens runs, and shows their frames, their pace and their end. */

import { find } from "../page/dom.js";
import { toProblem } from "../service/problems.js";
import { named } from "./rows.js";
import { Run } from "./run.js";
import { toObject } from "./targets.js";

/** Codes of problems that end a session. */
const LOST = new Set(["session-gone", "snapshot-unusable", "not-found", "frame-size-changed"]);

/**
 * What a player plays with.
 * @typedef {Object} Parts
 * @property {HTMLElement} root of the tab
 * @property {import("../stage/stage.js").Stage} stage
 * @property {import("../page/notice.js").Notice} notice
 * @property {import("./targets.js").Targets} targets
 * @property {import("./timeline.js").Timeline} timeline
 * @property {import("./reel.js").Reel} reel
 * @property {(state: "running" | "paused" | "ended") => void} onState
 * @property {() => void} onStuck told to begin anew where nothing else helps
 */

export class Player {
  /** @param {Parts} parts */
  constructor(parts) {
    this.parts = parts;
    /** @type {Run | null} */
    this.run = null;
    this.pace = find(parts.root, ".pace");
  }

  /**
   * Open a session at the first frame.
   * @param {Record<string, unknown>} options what to follow, and the tracker
   * @param {boolean} goesOn at once
   */
  async begin(options, goesOn) {
    const { root, notice, reel, targets, onState } = this.parts;
    const { source, first } = reel;
    if (!source || !first) return;
    root.dataset.busy = "";
    notice.busy("Opening a session…");
    try {
      this.run = await Run.begin(source, first, options);
    } finally {
      delete root.dataset.busy;
    }
    this.run.onFrame = (frame, answer) => this.#present(frame, answer);
    this.run.onEnd = () => this.#end();
    this.run.onProblem = (error, retry) => this.#fail(error, retry);
    this.#present(first, this.run.following.opened);
    targets.choose(null);
    notice.clear();
    onState("paused");
    if (goesOn) this.goOn();
  }

  /** Follow frame after frame. */
  goOn() {
    if (!this.run) return;
    this.parts.notice.clear();
    this.parts.targets.choose(null);
    this.parts.onState("running");
    this.run.start();
  }

  /** Stand still. */
  pause() {
    this.run?.pause();
    this.parts.onState("paused");
  }

  /** Let the slider stand at the newest frame. */
  #stand() {
    this.parts.timeline.update(this.run?.history ?? null, this.parts.reel.count);
  }

  /** Follow into one more frame. */
  async step() {
    this.parts.notice.clear();
    this.parts.targets.choose(null);
    this.#stand();
    await this.run?.step();
  }

  /**
   * Have an object followed as it was drawn, from the newest frame on.
   * @param {import("./targets.js").Target} target
   */
  async correct(target) {
    await this.run?.edit([toObject(target)]);
    this.parts.notice.tell(`From this frame on, ${named(target)} is followed as drawn.`);
  }

  /** End the session and forget it. */
  close() {
    this.run?.close();
    this.run = null;
    this.pace.textContent = "";
  }

  #end() {
    this.run?.close();
    this.parts.onState("ended");
    this.parts.notice.tell("The video has ended; the slider shows every frame again.");
  }

  /**
   * @param {unknown} error
   * @param {(() => void) | null} resume takes the session up again; null: it goes on as it is
   */
  #fail(error, resume) {
    this.parts.onState("paused");
    const retry = () => {
      this.parts.onState("running");
      resume?.();
    };
    const isLost = LOST.has(toProblem(error).code);
    const remedy = isLost ? { label: "Start over", act: this.parts.onStuck } : null;
    this.parts.notice.fail(error, resume ? retry : () => this.goOn(), remedy);
  }

  /**
   * @param {import("./sources.js").Frame} frame
   * @param {any} answer
   */
  #present(frame, answer) {
    const { stage, targets } = this.parts;
    targets.follow(answer.objects);
    if (this.parts.timeline.isBack) {
      if (frame.bitmap !== stage.picture) frame.bitmap.close(); // it is not to be seen now
    } else {
      stage.show(frame.bitmap, targets.marks);
      this.#stand();
    }
    this.pace.textContent = this.run?.pace.text ?? "";
  }
}
