/** Files that are chosen, dropped or pasted. */

/**
 * Hand over each file that is chosen.
 * @param {Iterable<Element>} inputs
 * @param {(file: File) => void} take
 */
export function acceptChosen(inputs, take) {
  for (const one of inputs) {
    const input = /** @type {HTMLInputElement} */ (one);
    input.addEventListener("change", () => {
      if (input.files?.[0]) take(input.files[0]);
      input.value = ""; // the same file may be chosen again
    });
  }
}

/**
 * Hand over each file that is dropped or pasted anywhere on the page.
 * @param {(file: File) => void} take
 */
export function acceptAnywhere(take) {
  const { classList } = document.body;
  const hasFiles = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes("Files");
  document.addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return; // a word is dragged into a field
    event.preventDefault();
    classList.add("hovered");
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) classList.remove("hovered"); // it left the window
  });
  document.addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault(); // else the browser would leave the page for the file
    classList.remove("hovered");
    const file = event.dataTransfer?.files[0];
    if (file) take(file);
  });
  document.addEventListener("paste", (event) => {
    const file = event.clipboardData?.files[0];
    if (!file) return;
    event.preventDefault();
    take(file);
  });
}
