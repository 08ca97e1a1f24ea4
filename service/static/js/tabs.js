/** Tabs: one panel is shown; the address says which, arrow keys go from one to the other. */

/**
 * @param {HTMLElement} list of the role `tablist`
 * @param {(panel: string) => void} onChoose told the id of the panel that is shown from now on
 * @returns {(panel: string) => void} shows a panel
 */
export function followTabs(list, onChoose) {
  const tabs = /** @type {HTMLElement[]} */ ([...list.querySelectorAll("[role=tab]")]);
  const panelOf = (/** @type {HTMLElement} */ tab) => tab.getAttribute("aria-controls") ?? "";
  const choose = (/** @type {HTMLElement} */ chosen) => {
    for (const tab of tabs) {
      tab.setAttribute("aria-selected", String(tab === chosen));
      tab.tabIndex = tab === chosen ? 0 : -1;
      /** @type {HTMLElement} */ (document.getElementById(panelOf(tab))).hidden = tab !== chosen;
    }
    history.replaceState(null, "", `#${panelOf(chosen)}`);
    onChoose(panelOf(chosen));
  };
  list.addEventListener("click", (event) => {
    const tab = tabs.find((one) => one.contains(/** @type {Node} */ (event.target)));
    if (tab) choose(tab);
  });
  list.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    const at = tabs.findIndex((tab) => tab.getAttribute("aria-selected") === "true");
    const next = tabs[(at + step + tabs.length) % tabs.length];
    choose(next);
    next.focus();
  });
  const show = (/** @type {string} */ panel) =>
    choose(tabs.find((tab) => panelOf(tab) === panel) ?? tabs[0]);
  addEventListener("hashchange", () => show(location.hash.slice(1)));
  show(location.hash.slice(1));
  return show;
}
