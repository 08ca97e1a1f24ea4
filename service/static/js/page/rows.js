/** Lists whose rows stand for something on the stage. */

/**
 * Tell which row is pointed at or has the focus.
 * @param {HTMLElement} list its rows, or parts of them, say what they stand for in `data-id`
 * @param {(id: number | null) => void} light null: none
 */
export function followRows(list, light) {
  const find = (/** @type {Event} */ event) => {
    const row = /** @type {HTMLElement} */ (event.target).closest("[data-id]");
    light(row ? Number(/** @type {HTMLElement} */ (row).dataset.id) : null);
  };
  for (const kind of ["pointerover", "focusin"]) list.addEventListener(kind, find);
  for (const kind of ["pointerleave", "focusout"]) list.addEventListener(kind, () => light(null));
}
