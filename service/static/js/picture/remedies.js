/** What may help with a picture where asking the same once more would not. */

import { asPng, asSmaller } from "./opening.js";

/** @typedef {import("./opening.js").Opened} Opened */

const MARGIN = 0.9; // what is made smaller shall not miss the bound by a row of pixels
const QUARTER = 0.25; // of the pixels, where nobody says how many are too many

/**
 * Return what to do to a picture that was refused.
 * @param {import("../service/problems.js").Problem} problem
 * @param {Opened} picture
 * @returns {{label: string, change: () => Promise<Opened>} | null} null: nothing would help
 */
export function remedyFor(problem, picture) {
  const isTooLarge = problem.status === 413 || problem.code === "out-of-memory";
  if (isTooLarge) {
    const share = problem.share ? problem.share * MARGIN : QUARTER;
    return { label: "Send it smaller", change: () => asSmaller(picture, share) };
  }
  const isUnread = ["unreadable-image", "unsupported-media-type"].includes(problem.code);
  if (isUnread && picture.blob.type !== "image/png") {
    return { label: "Send it as PNG", change: () => asPng(picture) };
  }
  return null;
}
