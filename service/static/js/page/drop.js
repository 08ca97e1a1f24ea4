/** Files that are chosen, dropped or pasted. */

/**
 * Hand over each file that comes to an area in any of the three ways.
 * @param {HTMLElement} area where files may be dropped
 * @param {Iterable<Element>} inputs where they may be chosen
 * @param {string} kind beginning of the media type, as `image/`
 * @param {(file: File) => void} take
 */
export function acceptFiles(area, inputs, kind, take) {
  for (const one of inputs) {
    const input = /** @type {HTMLInputElement} */ (one);
    input.addEventListener("change", () => {
      if (input.files?.[0]) take(input.files[0]);
      input.value = ""; // the same file may be chosen again
    });
  }
  area.addEventListener("dragover", (event) => {
    event.preventDefault();
    area.classList.add("hovered");
  });
  area.addEventListener("dragleave", () => area.classList.remove("hovered"));
  area.addEventListener("drop", (event) => {
    event.preventDefault();
    area.classList.remove("hovered");
    const file = event.dataTransfer?.files[0];
    if (file) take(file);
  });
  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    const file = files.find((one) => one.type.startsWith(kind));
    if (file && area.offsetParent) take(file); // it is on the tab that is shown
  });
}
