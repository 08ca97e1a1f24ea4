/** The picture tab: a picture in, what a network finds on it out. */

import { find, make, show } from "../page/dom.js";
import { acceptChosen } from "../page/drop.js";
import { Notice } from "../page/notice.js";
import { followRows } from "../page/rows.js";
import { askPicture } from "../service/calls.js";
import { toProblem } from "../service/problems.js";
import { BoxTool, drawDashed } from "../stage/boxes.js";
import { Stage } from "../stage/stage.js";
import { Controls } from "./controls.js";
import { foundIn, toMarks, toRow } from "./found.js";
import { openPicture } from "./opening.js";
import { remedyFor } from "./remedies.js";
import { offerAnswer } from "./taking.js";

const SAMPLE = "static/samples/figures.jpg";

export class PictureTab {
  /**
   * @param {HTMLElement} root
   * @param {import("../service/calls.js").Model[]} models
   */
  constructor(root, models) {
    this.root = root;
    this.stage = new Stage(find(root, "canvas"));
    this.stage.onPoint = (id) => this.#light(id);
    this.notice = new Notice(find(root, ".notice"));
    this.controls = new Controls(find(root, ".controls"), models, () => this.#ask());
    this.boxTool = new BoxTool(this.stage, (box) => this.controls.addBox(box));
    this.stage.drawTool = (context, zoom) => {
      for (const box of this.controls.drawn) drawDashed(context, box, zoom, this.stage.unit);
      this.boxTool.draw(context, zoom);
    };
    this.controls.onBoxes = (isOn) => this.#turnBoxes(isOn);
    /** @type {import("./opening.js").Opened | null} */
    this.picture = null;
    /** @type {import("./taking.js").Answer | null} what is shown */
    this.answer = null;
    /** @type {import("../stage/marks.js").Mark[] | null} the answer without refinement */
    this.coarseMarks = null;
    this.abort = new AbortController();
    acceptChosen(root.querySelectorAll("input[type=file]"), (file) => this.open(file));
    this.#listen();
    this.notice.tell(this.controls.lacks);
  }

  /**
   * Take a picture, and ask about it.
   * @param {File} file
   */
  async open(file) {
    try {
      const picture = await openPicture(file);
      this.controls.clearBoxes();
      await this.#take(picture);
    } catch (error) {
      this.notice.fail(error);
    }
  }

  /** @param {import("./opening.js").Opened} picture */
  async #take(picture) {
    const isFirst = find(this.root, ".empty").contains(document.activeElement);
    this.picture = picture;
    this.#forget();
    find(this.root, ".file-name").textContent = [picture.name, picture.note].filter(Boolean).join(", ");
    this.stage.show(picture.bitmap);
    if (isFirst) this.stage.canvas.focus(); // what had the focus is hidden now
    await this.#ask();
  }

  #listen() {
    find(this.root, "[data-act=sample]").addEventListener("click", () => this.#openSample());
    offerAnswer(find(this.root, ".actions"), this.stage, this.notice, () => this.answer);
    find(this.root, ".wipe input").addEventListener("input", () => this.#wipe());
    followRows(find(this.root, ".results"), (id) => this.#light(id));
  }

  async #openSample() {
    try {
      const blob = await (await fetch(SAMPLE)).blob();
      await this.open(new File([blob], "figures.jpg", { type: blob.type }));
    } catch (error) {
      this.notice.fail(error);
    }
  }

  async #ask() {
    const { picture, controls } = this;
    if (!picture) return;
    this.abort.abort();
    this.abort = new AbortController();
    this.notice.tell(controls.lacks);
    if (controls.lacks) {
      this.#forget();
      return;
    }
    const { signal } = this.abort;
    const { task, options } = controls;
    this.root.dataset.busy = "";
    this.notice.busy(`Asking ${options.model}…`);
    const began = performance.now();
    try {
      const wanted = [options, ...(task === "semantic" ? [{ ...options, refine: false }] : [])];
      const asked = wanted.map((one) => askPicture(task, picture.blob, one, signal));
      const [reply, coarse] = await Promise.all(asked);
      this.#present({ task, options, reply, picture }, coarse);
      this.notice.tell(`${summary(reply)} in ${Math.round(performance.now() - began)} ms`);
    } catch (error) {
      if (signal.aborted) return;
      this.#forget();
      this.#fail(error, picture);
    }
    delete this.root.dataset.busy;
  }

  /**
   * @param {unknown} error
   * @param {import("./opening.js").Opened} picture
   */
  #fail(error, picture) {
    const remedy = remedyFor(toProblem(error), picture);
    const act = async () => {
      try {
        if (remedy) await this.#take(await remedy.change());
      } catch (another) {
        this.notice.fail(another);
      }
    };
    this.notice.fail(error, () => this.#ask(), remedy && { label: remedy.label, act });
  }

  /**
   * @param {import("./taking.js").Answer} answer
   * @param {any} coarse the reply without refinement
   */
  #present(answer, coarse) {
    this.answer = answer;
    const marks = toMarks(answer.reply);
    this.coarseMarks = coarse && answer.reply.refined ? toMarks(coarse) : null;
    this.stage.opacity = answer.task === "semantic" ? 0.6 : 0.42;
    this.stage.setMarks(marks);
    this.root.dataset.state = "answered";
    find(this.root, ".answer").dataset.task = answer.task;
    const found = foundIn(answer.reply);
    const rows = found.map((one, index) => toRow(one, marks[index], answer.reply));
    const none = make("li", { className: "none" }, "Nothing was found. A lower threshold may help.");
    find(this.root, ".results").replaceChildren(...(rows.length ? rows : [none]));
    show(find(this.root, ".columns"), rows.length > 0);
    show(find(this.root, ".wipe"), Boolean(this.coarseMarks));
    this.#wipe();
  }

  #forget() {
    delete this.root.dataset.busy;
    this.answer = null;
    this.stage.wipe = null;
    this.stage.setMarks([]);
    this.stage.light(null);
    if (this.picture) this.root.dataset.state = "loaded";
    show(find(this.root, ".wipe"), false);
    find(this.root, ".results").replaceChildren();
  }

  #wipe() {
    const share = Number(find(this.root, ".wipe input").value) / 100;
    this.stage.wipe = this.coarseMarks && share > 0 ? { marks: this.coarseMarks, share } : null;
    this.stage.redraw();
  }

  /** @param {boolean} isOn */
  #turnBoxes(isOn) {
    this.boxTool.turn(isOn);
    this.stage.canvas.classList.toggle("drawing", isOn);
  }

  /** @param {number | null} id */
  #light(id) {
    this.stage.light(id);
    for (const row of this.root.querySelectorAll(".results [data-id]")) {
      row.classList.toggle("lit", Number(/** @type {HTMLElement} */ (row).dataset.id) === id);
    }
  }
}

/** @param {any} reply */
function summary(reply) {
  const count = foundIn(reply).length;
  const things = "segments" in reply ? "segment" : "object";
  return `${reply.model}: ${count} ${things}${count === 1 ? "" : "s"}`;
}
