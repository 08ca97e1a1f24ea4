/** One colour for each number, the same as on the service's own drawings. */

const GOLDEN_RATIO = 0.618034; // steps of this much around the wheel never come close to repeating
const LIGHTNESSES = [48, 56, 40];

/**
 * Return the colour of a category or of a followed object.
 * @param {number} id whole, 0 or above
 * @returns {string} CSS
 */
export function colourOf(id) {
  const hue = ((id * GOLDEN_RATIO) % 1) * 360;
  return `hsl(${hue.toFixed(1)} 90% ${LIGHTNESSES[id % LIGHTNESSES.length]}%)`;
}
