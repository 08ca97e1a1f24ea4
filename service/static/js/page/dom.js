/** Finding and making elements. */

/**
 * Return the one element that a selector names.
 * @param {ParentNode} root
 * @param {string} selector
 * @returns {any} an element; its kind is known where it is asked for
 */
export function find(root, selector) {
  const found = root.querySelector(selector);
  if (!found) throw new Error(`the page has no ${selector}`);
  return found;
}

/**
 * Make an element.
 * @param {string} name
 * @param {Record<string, any>} [properties] names of properties; `dataset` and `aria-…` too
 * @param {...(Node | string)} children
 * @returns {any}
 */
export function make(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key === "dataset") Object.assign(element.dataset, value);
    else if (key.includes("-")) element.setAttribute(key, value);
    else element[key] = value;
  }
  element.append(...children);
  return element;
}

/**
 * Show some of several elements and hide the others.
 * @param {HTMLElement} element
 * @param {boolean} isShown
 */
export function show(element, isShown) {
  element.hidden = !isShown;
}

/**
 * Show what belongs to a state, of the elements that name their states in `data-in`.
 * @param {HTMLElement} root
 * @param {string} state
 */
export function showFor(root, state) {
  for (const part of root.querySelectorAll("[data-in]")) {
    const element = /** @type {HTMLElement} */ (part);
    show(element, Boolean(element.dataset.in?.split(" ").includes(state)));
  }
}
