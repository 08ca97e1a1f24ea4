/**
 * COCO run-length masks: a bitmap, read column by column, as runs that start with background.
 *
 * In the compressed form each number is written in groups of five bits, lowest first, its sign
 * extended from the last group's top bit. A group is one character: its bits, plus 32 if another
 * follows, plus 48. From the fourth run on, the difference to the run two before is written.
 *
 * Source: cocodataset/cocoapi: common/maskApi.c, rleFrString.
 */

/** @typedef {{size: [number, number], counts: string | number[]}} Rle height and width, runs */

/**
 * The part of a picture that a mask needs.
 * @typedef {Object} Crop
 * @property {number} left the picture's column of the first
 * @property {number} top the picture's row of the first
 * @property {number} width
 * @property {number} height
 * @property {Uint8Array} pixels row by row, 1 on the object
 */

/**
 * Return the lengths of the runs, background first.
 * @param {string | number[]} counts
 * @returns {number[]}
 */
export function readRuns(counts) {
  if (typeof counts !== "string") return counts;
  const runs = [];
  let at = 0;
  while (at < counts.length) {
    let number = 0;
    let shift = 0; // at most 30: no picture has 2^30 pixels
    let group;
    do {
      group = counts.charCodeAt(at++) - 48;
      if (!(group >= 0 && group < 64)) throw new Error("the runs are no compressed RLE");
      number |= (group & 31) << shift;
      shift += 5;
    } while (group & 32);
    if (group & 16) number |= -1 << shift;
    runs.push(runs.length > 2 ? number + runs[runs.length - 2] : number);
  }
  return runs;
}

/**
 * Decode a mask inside the smallest box around its object.
 * @param {Rle} rle
 * @returns {Crop} of no width and height if the mask is empty
 */
export function decode(rle) {
  const [height] = rle.size;
  const spans = toSpans(readRuns(rle.counts), height);
  const left = spans.reduce((least, span) => Math.min(least, span.x), Infinity);
  const top = spans.reduce((least, span) => Math.min(least, span.y), Infinity);
  const right = spans.reduce((most, span) => Math.max(most, span.x + 1), 0);
  const bottom = spans.reduce((most, span) => Math.max(most, span.y + span.length), 0);
  if (!spans.length) return { left: 0, top: 0, width: 0, height: 0, pixels: new Uint8Array() };
  const width = right - left;
  const pixels = new Uint8Array(width * (bottom - top));
  for (const { x, y, length } of spans) {
    const first = (y - top) * width + x - left;
    for (let row = 0; row < length; row++) pixels[first + row * width] = 1;
  }
  return { left, top, width, height: bottom - top, pixels };
}

/**
 * Cut the object's runs into pieces of one column each.
 * @param {number[]} runs
 * @param {number} height
 */
function toSpans(runs, height) {
  const spans = [];
  let start = 0;
  runs.forEach((run, index) => {
    const end = start + run;
    while (index % 2 && start < end) {
      const y = start % height;
      const length = Math.min(end - start, height - y);
      spans.push({ x: (start - y) / height, y, length });
      start += length;
    }
    start = end;
  });
  return spans;
}

/**
 * Encode a bitmap, its runs as numbers.
 * @param {Uint8Array} pixels row by row, not 0 on the object
 * @param {number} width
 * @param {number} height
 * @returns {Rle}
 */
export function encode(pixels, width, height) {
  const counts = [];
  let isObject = false;
  let run = 0;
  for (let x = 0; x < width; x++) {
    for (let at = x; at < pixels.length; at += width) {
      if ((pixels[at] !== 0) !== isObject) {
        counts.push(run);
        run = 0;
        isObject = !isObject;
      }
      run++;
    }
  }
  counts.push(run);
  return { size: [height, width], counts };
}
