/** Which tracker follows. */

import { make } from "../page/dom.js";

export class Trackers {
  /**
   * @param {HTMLSelectElement} select
   * @param {import("../service/calls.js").Model[]} models that are loaded
   */
  constructor(select, models) {
    this.select = select;
    const names = models.filter(({ task }) => task === "track").map(({ name }) => name);
    select.replaceChildren(...names.map((name) => make("option", { value: name }, name)));
  }

  /** @returns {string} of the tracker that was chosen */
  get chosen() {
    return this.select.value;
  }

  /** @returns {string} why nothing can be followed; nothing if it can */
  get lacks() {
    return this.chosen ? "" : "No tracker is loaded; MASKD_MODELS says which are.";
  }
}
