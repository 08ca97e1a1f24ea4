/** Replies about one picture as marks to draw, as a list to read and as COCO's files. */

import { colourOf } from "../masks/colours.js";
import { Shape } from "../masks/shape.js";
import { make } from "../page/dom.js";

/** @typedef {import("../stage/marks.js").Mark} Mark */

const MEMBERS = ["instances", "segments", "detections"];

/**
 * Return what a reply found, whatever was asked.
 * @param {any} reply
 * @returns {any[]}
 */
export function foundIn(reply) {
  const name = MEMBERS.find((member) => member in reply);
  return name ? reply[name] : [];
}

/**
 * Return what a reply found as marks, in its order.
 * @param {any} reply
 * @returns {Mark[]}
 */
export function toMarks(reply) {
  return foundIn(reply).map((one, index) => {
    const colour = colourOf(one.category_id);
    return {
      id: index,
      caption: one.score === undefined ? one.label : `${one.label} ${percent(one.score)}`,
      colour,
      box: one.bbox,
      shape: one.segmentation ? new Shape(one.segmentation, colour) : null,
      isQuiet: one.label === "background",
    };
  });
}

/**
 * Return one row of the list of what was found.
 * @param {any} one
 * @param {Mark} mark
 * @param {any} reply
 */
export function toRow(one, mark, { image }) {
  const chip = make("span", { className: "chip", "aria-hidden": "true" });
  chip.style.background = mark.colour;
  const parts = [chip, make("span", { className: "name" }, one.label)];
  if (one.score !== undefined) {
    parts.push(make("span", { className: "number", title: "score" }, percent(one.score)));
  }
  if (one.area !== undefined) {
    const share = percent(one.area / (image.width * image.height));
    parts.push(make("span", { className: "number soft", title: "share of the picture" }, share));
  }
  return make("li", {}, make("button", { type: "button", className: "row", dataset: { id: mark.id } }, ...parts));
}

/**
 * Return a reply as a COCO data set of one picture; pycocotools reads it.
 * @param {any} reply
 * @param {string} name of the picture's file
 */
export function toCoco(reply, name) {
  const found = foundIn(reply);
  const names = new Map(found.map((one) => [one.category_id, one.label]));
  const annotations = found.map((one, index) => {
    const { label: _, ...members } = one;
    const area = one.area ?? one.bbox[2] * one.bbox[3];
    return { id: index + 1, image_id: 1, iscrowd: 0, ...members, area };
  });
  return {
    info: { description: `${reply.model} on ${name}` },
    images: [{ id: 1, file_name: name, ...reply.image }],
    annotations,
    categories: [...names].map(([id, label]) => ({ id, name: label })),
  };
}

/** @param {number} share */
export function percent(share) {
  return share < 0.1 ? `${(share * 100).toFixed(1)} %` : `${Math.round(share * 100)} %`;
}
