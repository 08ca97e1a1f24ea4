/** The objects that are followed, or shall be: their list, and which of them is being drawn. */

import { colourOf } from "../masks/colours.js";
import { Shape } from "../masks/shape.js";
import { make } from "../page/dom.js";

/**
 * @typedef {Object} Target
 * @property {number} id
 * @property {string} label
 * @property {Record<string, unknown> | null} told how it was drawn: `box` or `mask`
 * @property {boolean} isVisible
 * @property {import("../stage/marks.js").Mark} mark
 */

export class Targets {
  /**
   * @param {HTMLElement} list
   * @param {{onChoose: () => void, onRemove: (id: number) => void}} told
   */
  constructor(list, { onChoose, onRemove }) {
    this.list = list;
    this.onChoose = onChoose;
    this.onRemove = onRemove;
    /** @type {Map<number, Target>} */
    this.all = new Map();
    /** @type {number | null} id of the one that the next drawing tells anew */
    this.chosen = null;
    this.isFixed = false; // labels were sent
  }

  /** @returns {import("../stage/marks.js").Mark[]} of those that can be seen */
  get marks() {
    return [...this.all.values()].filter((one) => one.isVisible).map((one) => one.mark);
  }

  /** @returns {Record<string, unknown>[]} as the service takes them */
  get drawn() {
    return [...this.all.values()].filter((one) => one.told).map(toObject);
  }

  /** Forget all. */
  clear() {
    this.all.clear();
    this.chosen = null;
    this.isFixed = false;
    this.render();
  }

  /**
   * Take what was drawn for the chosen object, or for a new one.
   * @param {{box: import("../stage/boxes.js").Box} | {mask: import("../masks/rle.js").Rle}} told
   * @returns {Target}
   */
  draw(told) {
    const id = this.chosen ?? Math.max(0, ...this.all.keys()) + 1;
    const label = this.all.get(id)?.label ?? "";
    const colour = colourOf(id);
    const shape = "mask" in told ? new Shape(told.mask, colour) : null;
    const { left, top, width, height } = shape?.crop ?? { left: 0, top: 0, width: 0, height: 0 };
    const box = "box" in told ? told.box : [left, top, width, height];
    const mark = { id, caption: label || `object ${id}`, colour, box, shape };
    const target = { id, label, told, isVisible: true, mark };
    this.all.set(id, /** @type {Target} */ (target));
    this.render();
    return /** @type {Target} */ (target);
  }

  /**
   * Take the service's answer for a frame.
   * @param {any[]} objects
   */
  follow(objects) {
    const next = new Map(objects.map((one) => [one.id, toTarget(one)]));
    const isSame = [...next].every(([id, { label, isVisible }]) => {
      const known = this.all.get(id);
      return known?.label === label && known.isVisible === isVisible;
    });
    const isUnchanged = isSame && next.size === this.all.size && this.isFixed;
    this.all = next;
    this.isFixed = true;
    if (!isUnchanged) this.render(); // else a button would change under the finger
  }

  /** @param {number | null} id */
  choose(id) {
    this.chosen = id;
    this.render();
    this.onChoose();
  }

  /** @param {number} id */
  remove(id) {
    this.all.delete(id);
    if (this.chosen === id) this.chosen = null;
    this.render();
  }

  /** Write the list. */
  render() {
    const none = make("li", { className: "none" }, "Nothing yet: draw on the picture.");
    const rows = [...this.all.values()].map((target) => this.#row(target));
    this.list.replaceChildren(...(rows.length ? rows : [none]));
  }

  /** @param {Target} target */
  #row(target) {
    const { id, label, mark, isVisible } = target;
    const isChosen = this.chosen === id;
    const chip = make("span", { className: "chip", "aria-hidden": "true" });
    chip.style.background = mark.colour;
    const name = make("span", { className: "name" }, this.isFixed && label ? label : `object ${id}`);
    const state = make("span", { className: "fine" }, isVisible ? "" : "hidden");
    const choose = make(
      "button",
      { type: "button", className: "row", "aria-pressed": String(isChosen), title: "Draw it anew" },
      chip, name, state,
    );
    choose.addEventListener("click", () => this.choose(isChosen ? null : id));
    const remove = make("button", { type: "button", className: "remove" }, "×");
    remove.setAttribute("aria-label", `Remove object ${id}`);
    remove.addEventListener("click", () => this.onRemove(id));
    const row = make("li", { className: isChosen ? "target lit" : "target", dataset: { id } }, choose);
    if (!this.isFixed) row.append(this.#labelInput(target));
    row.append(remove);
    return row;
  }

  /** @param {Target} target */
  #labelInput(target) {
    const input = make("input", { type: "text", value: target.label, placeholder: "Name", maxLength: 100 });
    input.setAttribute("aria-label", `Name of object ${target.id}`);
    input.addEventListener("input", () => {
      target.label = input.value.trim();
      target.mark.caption = target.label || `object ${target.id}`;
    });
    return input;
  }
}

/**
 * Return an object as the service takes it.
 * @param {Target} target
 * @returns {Record<string, unknown>}
 */
export function toObject({ id, label, told }) {
  return { id, ...(label ? { label } : {}), ...told };
}

/**
 * @param {any} one of the service's answer
 * @returns {Target}
 */
function toTarget({ id, label, score, bbox, visible, segmentation }) {
  const colour = colourOf(id);
  const shape = segmentation ? new Shape(segmentation, colour) : null;
  const caption = `${label || `object ${id}`} ${Math.round(score * 100)} %`;
  const mark = { id, caption, colour, box: bbox, shape };
  return { id, label: label ?? "", told: null, isVisible: visible, mark };
}

/**
 * Return the objects of an answer that can be seen as marks.
 * @param {any[]} objects
 */
export function toMarks(objects) {
  return objects.filter((one) => one.visible).map((one) => toTarget(one).mark);
}
