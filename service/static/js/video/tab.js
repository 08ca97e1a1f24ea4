/** The video tab: what is shown in which state, and what each button does. */

import { find, showFor } from "../page/dom.js";
import { acceptChosen } from "../page/drop.js";
import { Notice } from "../page/notice.js";
import { Stage } from "../stage/stage.js";
import { Player } from "./player.js";
import { Reel } from "./reel.js";
import { CameraSource, FileSource } from "./sources.js";
import { Sketch } from "./sketch.js";
import { offerRun } from "./taking.js";
import { Timeline } from "./timeline.js";
import { Trackers } from "./trackers.js";

/**
 * empty: no video; preview: a camera before a frame is held; ready: objects are drawn on the first
 * frame; running, paused: a session is open; ended: the video is.
 * @typedef {"empty" | "preview" | "ready" | "running" | "paused" | "ended"} State
 */

const SAMPLE = "static/samples/figures.webm";

export class VideoTab {
  /**
   * @param {HTMLElement} root
   * @param {import("../service/calls.js").Model[]} models
   */
  constructor(root, models) {
    this.root = root;
    this.reel = new Reel();
    this.trackers = new Trackers(find(root, "[name=tracker]"), models);
    this.stage = new Stage(find(root, "canvas"));
    this.stage.canvas.addEventListener("pointerdown", () => this.pause()); // before the tools
    this.notice = new Notice(find(root, ".notice"));
    this.sketch = new Sketch(root, this.stage, (id) => this.#try(() => this.#remove(id)));
    this.targets = this.sketch.targets;
    this.sketch.onDraw = (target) => {
      if (this.player.run) this.#try(() => this.player.correct(target));
    };
    this.sketch.onCount = () => this.#offerFollow();
    this.timeline = new Timeline(find(root, ".timeline"), this.stage, {
      onMove: () => this.pause(),
      onLook: (isLast) => this.sketch.drawing.turn(isLast && this.state === "paused"),
    });
    const onState = (/** @type {State} */ state) => this.#set(state);
    this.player = new Player({ ...this, onState, onStuck: () => this.#restart(this.player.run?.drawn) });
    this.#set("empty");
    this.notice.tell(this.trackers.lacks);
    this.#listen();
  }

  /** @returns {State} */
  get state() {
    return /** @type {State} */ (this.root.dataset.state);
  }

  #listen() {
    const { root, player } = this;
    acceptChosen(root.querySelectorAll("input[type=file]"), (file) => this.open(file));
    const acts = {
      sample: async () => this.open(await (await fetch(SAMPLE)).blob(), "figures.webm"),
      camera: () => this.#open(() => CameraSource.open(), "camera"),
      hold: () => this.#ready(),
      find: () => this.#begin({ detect: {} }, false),
      follow: () => this.#begin({ objects: this.targets.drawn }, true),
      pause: () => this.pause(),
      "go-on": () => player.goOn(),
      step: () => player.step(),
      anew: () => this.#restart(player.run?.drawn),
      another: () => this.#leave(),
    };
    for (const [name, act] of Object.entries(acts)) {
      find(root, `[data-act=${name}]`).addEventListener("click", () => this.#try(act));
    }
    offerRun(find(root, ".actions"), this.notice, () => ({ run: player.run, name: this.reel.name }));
    const again = () => this.#try(() => this.#restart(this.targets.drawn));
    find(root, "[name=rate]").addEventListener("change", again);
    this.stage.canvas.addEventListener("keydown", (event) => this.#press(event));
    addEventListener("pagehide", () => player.close());
  }

  /**
   * Take a video.
   * @param {Blob} file
   * @param {string} [name]
   */
  open(file, name = /** @type {File} */ (file).name) {
    return this.#try(() => this.#open(() => FileSource.open(file, name), name));
  }

  /** Stand still, if it runs. */
  pause() {
    if (this.state === "running") this.player.pause();
  }

  /**
   * Do something, and tell if it fails.
   * @param {() => unknown} act
   */
  async #try(act) {
    try {
      await act();
    } catch (error) {
      this.notice.fail(error, () => this.#try(act));
    }
  }

  /** @param {State} state */
  #set(state) {
    const buttons = find(this.root, ".transport");
    const isHere = [buttons, find(this.root, ".empty")].some((part) => part.contains(document.activeElement));
    this.root.dataset.state = state;
    showFor(this.root, state);
    // What had the focus may be hidden now.
    if (isHere) buttons.querySelector("button:not([hidden]):not([disabled])")?.focus();
    this.sketch.drawing.turn(state === "ready" || state === "paused");
    if (state === "ended") this.targets.end();
    this.timeline.update(this.player?.run?.history ?? null, this.reel.count);
    this.#offerFollow();
  }

  #offerFollow() {
    const { lacks } = this.trackers;
    find(this.root, "[data-act=find]").disabled = Boolean(lacks);
    find(this.root, "[data-act=follow]").disabled = Boolean(lacks) || !this.targets.drawn.length;
  }

  /**
   * @param {() => Promise<import("./reel.js").AnySource>} open
   * @param {string} name
   */
  async #open(open, name) {
    this.notice.busy("Opening…");
    this.reel.open(await open(), name);
    find(this.root, ".file-name").textContent = name;
    await this.#restart();
  }

  /**
   * Stand at the first frame.
   * @param {Record<string, unknown>[]} [objects] that are drawn on it
   */
  async #restart(objects = []) {
    this.player.close();
    this.sketch.reset(objects);
    this.notice.clear();
    if (!this.reel.source) return;
    const rate = Number(find(this.root, "[name=rate]").value);
    const shown = this.reel.rewind(rate, ({ bitmap }) => this.stage.show(bitmap, this.targets.marks));
    if (this.reel.isHeld) {
      await shown; // else what is drawn at once would be lost
      this.#ready();
    } else {
      this.#set("preview");
      this.notice.tell("Hold a frame on which everything that shall be followed is seen.");
    }
    await shown;
  }

  #ready() {
    this.reel.hold();
    this.#set("ready");
    this.notice.tell(this.trackers.lacks || "Draw a box or paint on each object, or let a network find them.");
  }

  #leave() {
    this.player.close();
    this.reel.close();
    this.sketch.reset();
    this.notice.clear();
    this.#set("empty");
  }

  /**
   * @param {Record<string, unknown>} told
   * @param {boolean} goesOn
   */
  #begin(told, goesOn) {
    return this.player.begin({ model: this.trackers.chosen, ...told }, goesOn);
  }

  /** @param {number} id */
  async #remove(id) {
    await this.player.run?.drop(id);
    this.sketch.remove(id);
  }

  /** @param {KeyboardEvent} event */
  #press(event) {
    const isPaused = this.state === "paused";
    if (event.key === " " && this.state === "running") this.pause();
    else if (event.key === " " && isPaused) this.player.goOn();
    else if (event.key === "." && isPaused) this.#try(() => this.player.step());
    else return;
    event.preventDefault();
  }
}
