/** Tabs: one panel is shown; the address says which, arrow keys go from one to the other. */

/** @param {HTMLElement} list of the role `tablist` */
export function followTabs(list) {
  const tabs = /** @type {HTMLElement[]} */ ([...list.querySelectorAll("[role=tab]")]);
  const panelOf = (/** @type {HTMLElement} */ tab) => tab.getAttribute("aria-controls") ?? "";
  const choose = (/** @type {HTMLElement} */ chosen) => {
    for (const tab of tabs) {
      tab.setAttribute("aria-selected", String(tab === chosen));
      tab.tabIndex = tab === chosen ? 0 : -1;
      /** @type {HTMLElement} */ (document.getElementById(panelOf(tab))).hidden = tab !== chosen;
    }
    history.replaceState(null, "", `#${panelOf(chosen)}`);
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
  choose(tabs.find((tab) => `#${panelOf(tab)}` === location.hash) ?? tabs[0]);
}
