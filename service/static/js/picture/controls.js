/** What is asked: the task, the model, the threshold, boxes. */

import { find, make, show } from "../page/dom.js";

/** @typedef {import("../service/calls.js").Model} Model */
/** @typedef {import("../stage/boxes.js").Box} Box */

export class Controls {
  /**
   * @param {HTMLElement} root
   * @param {Model[]} models that are loaded
   * @param {() => void} onChange told when something else shall be asked
   */
  constructor(root, models, onChange) {
    this.root = root;
    this.models = models;
    this.onChange = onChange;
    /** @type {(isOn: boolean) => void} told when boxes shall be drawn, or no longer */
    this.onBoxes = () => {};
    /** @type {Box[]} */
    this.boxes = [];
    this.model = find(root, "select");
    this.threshold = find(root, "input[type=range]");
    this.boxSwitch = find(root, "[name=boxes]");
    this.#offerTasks();
    this.#offerModels();
    root.addEventListener("change", (event) => this.#changed(event));
    this.threshold.addEventListener("input", () => this.#showThreshold());
    find(root, "[data-act=clear]").addEventListener("click", () => {
      this.clearBoxes();
      onChange();
    });
  }

  /** @returns {string} nothing where no network for pictures is loaded */
  get task() {
    const chosen = this.root.querySelector("[name=task]:checked");
    return chosen ? /** @type {HTMLInputElement} */ (chosen).value : "";
  }

  /** @returns {string} what has to come before anything can be asked; nothing if nothing has */
  get lacks() {
    if (!this.model.value) return "No network for pictures is loaded; MASKD_MODELS says which are.";
    if (this.boxSwitch.checked && !this.boxes.length) return "Draw a box around each object.";
    return "";
  }

  /** @returns {Box[]} those that are asked about */
  get drawn() {
    return this.boxSwitch.checked ? this.boxes : [];
  }

  /** @returns {import("../service/calls.js").Options} of the request */
  get options() {
    const model = this.model.value;
    if (this.task === "semantic") return { model };
    if (this.boxSwitch.checked) return { model, boxes: JSON.stringify(this.boxes) };
    return { model, score_threshold: Number(this.threshold.value) };
  }

  /** @param {Box} box */
  addBox(box) {
    this.boxes.push(box);
    this.#showParts();
    this.onChange();
  }

  /** Forget the boxes. */
  clearBoxes() {
    this.boxes = [];
    this.#showParts();
  }

  /** @param {Event} event */
  #changed(event) {
    const { name } = /** @type {HTMLInputElement} */ (event.target);
    if (name === "task") this.#offerModels();
    this.#showParts();
    this.onChange();
  }

  #offerTasks() {
    for (const input of this.root.querySelectorAll("[name=task]")) {
      const task = /** @type {HTMLInputElement} */ (input);
      task.disabled = !this.models.some((model) => model.task === task.value);
    }
    const first = this.root.querySelector("[name=task]:not(:disabled)");
    if (first) /** @type {HTMLInputElement} */ (first).checked = true;
  }

  #offerModels() {
    const fitting = this.models.filter((model) => model.task === this.task);
    this.model.replaceChildren(...fitting.map(({ name }) => make("option", { value: name }, name)));
    this.#showParts();
  }

  #showParts() {
    const chosen = this.models.find(({ name }) => name === this.model.value);
    const takesBoxes = this.task === "segment" && Boolean(chosen?.prompts.includes("box"));
    if (!takesBoxes) this.boxSwitch.checked = false;
    const isOn = this.boxSwitch.checked;
    show(find(this.root, ".boxes"), takesBoxes);
    show(find(this.root, ".box-help"), isOn);
    show(find(this.root, "[data-act=clear]"), isOn && this.boxes.length > 0);
    show(find(this.root, ".threshold"), this.task !== "semantic" && !isOn);
    this.#showThreshold();
    this.onBoxes(isOn);
  }

  #showThreshold() {
    find(this.root, "output").textContent = Number(this.threshold.value).toFixed(2);
  }
}
