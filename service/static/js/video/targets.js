/** The objects that are followed, or shall be: their list, and which of them is being drawn. */

import { colourOf } from "../masks/colours.js";
import { Shape } from "../masks/shape.js";
import { make } from "../page/dom.js";
import { makeRow, named } from "./rows.js";

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
   * @param {{onChoose: () => void, onName: () => void, onRemove: (id: number) => void}} told
   */
  constructor(list, told) {
    this.list = list;
    this.told = told;
    /** @type {Map<number, Target>} */
    this.all = new Map();
    /** @type {number | null} id of the one that the next drawing tells anew */
    this.chosen = null;
    this.isFixed = false; // labels were sent
    this.isOver = false; // nothing can be told any more
    /** @type {Set<number>} of objects that were removed; answers on their way may know them still */
    this.removed = new Set();
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
    this.removed.clear();
    this.chosen = null;
    this.isFixed = false;
    this.isOver = false;
    this.render();
  }

  /** Let nothing be told any more. */
  end() {
    this.isOver = true;
    this.chosen = null;
    this.render();
  }

  /**
   * Take what was drawn for the chosen object, or for a new one.
   * @param {{box: import("../stage/boxes.js").Box} | {mask: import("../masks/rle.js").Rle}} told
   * @returns {Target}
   */
  draw(told) {
    const id = this.chosen ?? Math.max(0, ...this.all.keys(), ...this.removed) + 1;
    return this.add(id, this.all.get(id)?.label ?? "", told);
  }

  /**
   * Take an object as it was drawn.
   * @param {number} id
   * @param {string} label
   * @param {any} told by a box or a mask
   * @returns {Target}
   */
  add(id, label, told) {
    const colour = colourOf(id);
    const shape = "mask" in told ? new Shape(told.mask, colour) : null;
    const { left, top, width, height } = shape?.crop ?? { left: 0, top: 0, width: 0, height: 0 };
    const box = "box" in told ? told.box : [left, top, width, height];
    const mark = { id, caption: named({ id, label }), colour, box, shape };
    const target = { id, label, told, isVisible: true, mark };
    this.all.set(id, target);
    return target;
  }

  /**
   * Take the service's answer for a frame.
   * @param {any[]} objects
   */
  follow(objects) {
    const known = objects.filter(({ id }) => !this.removed.has(id));
    const next = new Map(known.map((one) => [one.id, toTarget(one)]));
    const isSame = [...next].every(([id, { label, isVisible }]) => {
      const before = this.all.get(id);
      return before?.label === label && before.isVisible === isVisible;
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
    this.told.onChoose();
  }

  /** @param {number} id */
  remove(id) {
    this.all.delete(id);
    if (this.isFixed) this.removed.add(id);
    if (this.chosen === id) this.chosen = null;
    this.render();
  }

  /** Write the list; the focus stays where it is. */
  render() {
    const focused = /** @type {HTMLElement | null} */ (this.list.querySelector(":focus"));
    const [id, part] = [focused?.closest("li")?.dataset.id, focused?.dataset.part];
    const { chosen, isFixed, isOver } = this;
    const none = make("li", { className: "none" }, isOver ? "None is left." : "None yet: draw on the picture.");
    const acts = { ...this.told, onChoose: (/** @type {number | null} */ id) => this.choose(id) };
    const rows = [...this.all.values()].map((target) =>
      makeRow(target, { isChosen: target.id === chosen, isFixed, isOver }, acts),
    );
    this.list.replaceChildren(...(rows.length ? rows : [none]));
    if (!focused) return;
    const same = this.list.querySelector(`[data-id="${id}"] [data-part=${part}]`);
    const next = same ?? this.list.querySelector("button");
    /** @type {HTMLElement | null} */ (next)?.focus();
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
  const caption = `${named({ id, label })} ${Math.round(score * 100)} %`;
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
