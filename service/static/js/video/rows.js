/** Rows of the list of objects: each names one, and lets it be chosen, named and removed. */

import { make } from "../page/dom.js";

/** @typedef {import("./targets.js").Target} Target */

/**
 * What a row may ask for.
 * @typedef {Object} Acts
 * @property {(id: number | null) => void} onChoose null: none
 * @property {() => void} onName
 * @property {(id: number) => void} onRemove
 */

/**
 * Return what an object is called.
 * @param {{id: number, label: string | null}} target
 * @returns {string}
 */
export function named({ id, label }) {
  return label || `object ${id}`;
}

/**
 * Return the row of an object.
 * @param {Target} target
 * @param {{isChosen: boolean, isFixed: boolean, isOver: boolean}} state whether it is drawn anew
 *   next, whether names were sent, whether nothing can be told any more
 * @param {Acts} acts
 * @returns {HTMLElement}
 */
export function makeRow(target, { isChosen, isFixed, isOver }, acts) {
  const { id, mark, isVisible } = target;
  const chip = make("span", { className: "chip", "aria-hidden": "true" });
  chip.style.background = mark.colour;
  const name = make("span", { className: "name" }, isFixed ? named(target) : `object ${id}`);
  const state = make("span", { className: "fine" }, isVisible ? "" : "hidden");
  const parts = [chip, name, state];
  const button = { type: "button", className: "row", dataset: { part: "name" } };
  if (isOver) return make("li", { className: "target", dataset: { id } }, make("button", button, ...parts));
  const choose = make(
    "button",
    { ...button, "aria-pressed": String(isChosen), title: "Draw it anew" },
    ...parts,
  );
  choose.addEventListener("click", () => acts.onChoose(isChosen ? null : id));
  const remove = make(
    "button",
    { type: "button", className: "remove", "aria-label": `Remove ${named(target)}`, dataset: { part: "remove" } },
    "×",
  );
  remove.addEventListener("click", () => acts.onRemove(id));
  const row = make("li", { className: isChosen ? "target lit" : "target", dataset: { id } }, choose);
  if (!isFixed) row.append(makeLabel(target, acts.onName));
  row.append(remove);
  return row;
}

/**
 * @param {Target} target
 * @param {() => void} onName
 */
function makeLabel(target, onName) {
  const input = make("input", {
    type: "text", value: target.label, placeholder: "Name", maxLength: 100, dataset: { part: "label" },
    "aria-label": `Name of object ${target.id}`,
  });
  input.addEventListener("input", () => {
    target.label = input.value.trim();
    target.mark.caption = named(target);
    onName();
  });
  return input;
}
