/** The video tab: what is shown in which state, and what each button does. */

import { find, make, showFor } from "../page/dom.js";
import { acceptFiles } from "../page/drop.js";
import { Notice } from "../page/notice.js";
import { Stage } from "../stage/stage.js";
import { Drawing } from "./drawing.js";
import { Player } from "./player.js";
import { Reel } from "./reel.js";
import { CameraSource, FileSource } from "./sources.js";
import { offerRun } from "./taking.js";
import { Targets } from "./targets.js";
import { Timeline } from "./timeline.js";

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
    this.stage = new Stage(find(root, "canvas"));
    this.stage.onPoint = (id) => this.stage.light(id);
    this.stage.canvas.addEventListener("pointerdown", () => this.#pause()); // before the tools
    this.notice = new Notice(find(root, ".notice"));
    const take = (/** @type {import("./drawing.js").Told} */ told) => this.#draw(told);
    this.drawing = new Drawing(find(root, ".drawing-tools"), this.stage, take);
    this.targets = new Targets(find(root, ".results"), {
      onChoose: () => this.drawing.renew(),
      onRemove: (id) => this.#try(() => this.#remove(id)),
    });
    this.timeline = new Timeline(find(root, ".timeline"), this.stage, (isLast) => {
      this.drawing.turn(isLast && this.state === "paused");
    });
    const onState = (/** @type {State} */ state) => this.#set(state);
    this.player = new Player({ ...this, onState });
    this.#set("empty");
    this.#offerTrackers(models.filter((model) => model.task === "track"));
    this.#listen();
  }

  /** @returns {State} */
  get state() {
    return /** @type {State} */ (this.root.dataset.state);
  }

  /** @param {import("../service/calls.js").Model[]} trackers */
  #offerTrackers(trackers) {
    const options = trackers.map(({ name }) => make("option", { value: name }, name));
    find(this.root, "[name=tracker]").replaceChildren(...options);
    if (!options.length) this.notice.tell("No tracker is loaded; MASKD_MODELS says which are.");
  }

  #listen() {
    const { root, player } = this;
    const open = (/** @type {File} */ file) => this.#try(() => this.#openFile(file, file.name));
    acceptFiles(root, root.querySelectorAll("input[type=file]"), "video/", open);
    const acts = {
      sample: async () => this.#openFile(await (await fetch(SAMPLE)).blob(), "figures.webm"),
      camera: () => this.#open(() => CameraSource.open(), "camera"),
      hold: () => this.#ready(),
      find: () => this.#begin({ detect: {} }, false),
      follow: () => this.#begin({ objects: this.targets.drawn }, true),
      pause: () => this.#pause(),
      "go-on": () => player.goOn(),
      step: () => player.step(),
      anew: () => this.#restart(),
      another: () => this.#leave(),
    };
    for (const [name, act] of Object.entries(acts)) {
      find(root, `[data-act=${name}]`).addEventListener("click", () => this.#try(act));
    }
    offerRun(find(root, ".actions"), this.notice, () => ({ run: player.run, name: this.reel.name }));
    find(root, "[name=rate]").addEventListener("change", () => this.#try(() => this.#restart()));
    this.stage.canvas.addEventListener("keydown", (event) => this.#press(event));
    addEventListener("pagehide", () => player.close());
  }

  /**
   * Do something, and tell if it fails.
   * @param {() => unknown} act
   */
  async #try(act) {
    try {
      await act();
    } catch (error) {
      this.notice.fail(error);
    }
  }

  /** @param {State} state */
  #set(state) {
    this.root.dataset.state = state;
    showFor(this.root, state);
    this.drawing.turn(state === "ready" || state === "paused");
    this.timeline.update(this.player?.run?.history ?? null, this.reel.count);
    this.#offerFollow();
  }

  #offerFollow() {
    find(this.root, "[data-act=follow]").disabled = !this.targets.drawn.length;
  }

  /**
   * @param {Blob} file
   * @param {string} name
   */
  #openFile(file, name) {
    return this.#open(() => FileSource.open(file, name), name);
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

  /** Stand at the first frame, with nothing drawn. */
  async #restart() {
    this.player.close();
    this.targets.clear();
    this.notice.clear();
    if (!this.reel.source) return;
    const rate = Number(find(this.root, "[name=rate]").value);
    const shown = this.reel.rewind(rate, ({ bitmap }) => this.stage.show(bitmap));
    if (this.reel.isHeld) this.#ready();
    else this.#set("preview");
    await shown;
  }

  #ready() {
    this.reel.hold();
    this.#set("ready");
    this.notice.tell("Draw a box or paint on each object, or let a network find them.");
  }

  #leave() {
    this.player.close();
    this.reel.close();
    this.targets.clear();
    this.notice.clear();
    this.#set("empty");
  }

  /**
   * @param {Record<string, unknown>} told
   * @param {boolean} goesOn
   */
  #begin(told, goesOn) {
    const model = find(this.root, "[name=tracker]").value;
    return this.player.begin({ ...(model ? { model } : {}), ...told }, goesOn);
  }

  #pause() {
    if (this.state === "running") this.player.pause();
  }

  /** @param {import("./drawing.js").Told} told */
  #draw(told) {
    const target = this.targets.draw(told);
    this.targets.chosen = this.drawing.isBrush ? target.id : null;
    this.targets.render();
    this.stage.setMarks(this.targets.marks);
    this.#offerFollow();
    if (this.player.run) this.#try(() => this.player.correct(target));
  }

  /** @param {number} id */
  async #remove(id) {
    await this.player.run?.drop(id);
    this.targets.remove(id);
    this.drawing.renew();
    this.stage.setMarks(this.targets.marks);
    this.#offerFollow();
  }

  /** @param {KeyboardEvent} event */
  #press(event) {
    const isPaused = this.state === "paused";
    if (event.key === " " && this.state === "running") this.#pause();
    else if (event.key === " " && isPaused) this.player.goOn();
    else if (event.key === "." && isPaused) this.#try(() => this.player.step());
    else return;
    event.preventDefault();
  }
}
