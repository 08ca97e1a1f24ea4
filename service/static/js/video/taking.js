/** What a visitor takes along of a run: the session as a command or a program, the frames. */

import { find } from "../page/dom.js";
import { copy, save, stem } from "../page/files.js";
import { confirmOn } from "../page/notice.js";
import { sessionCurl, sessionPython } from "../service/snippets.js";

/** @typedef {import("./run.js").Run} Run */

/**
 * Make the buttons that copy and save work.
 * @param {HTMLElement} root
 * @param {import("../page/notice.js").Notice} notice
 * @param {() => {run: Run | null, name: string}} current
 */
export function offerRun(root, notice, current) {
  const offer = (
    /** @type {string} */ act,
    /** @type {(run: Run, name: string, button: HTMLButtonElement) => Promise<void>} */ take,
  ) => {
    const button = find(root, `[data-act=${act}]`);
    button.addEventListener("click", async () => {
      const { run, name } = current();
      try {
        if (run) await take(run, name, button);
      } catch (error) {
        notice.fail(error);
      }
    });
  };
  offer("curl", async (run, _, button) => {
    await copy(sessionCurl(run.options, run.edits, run.history.entries.length - 1));
    confirmOn(button, "Copied");
  });
  offer("python", async (run, _, button) => {
    await copy(sessionPython(run.options, run.edits));
    confirmOn(button, "Copied");
  });
  offer("zip", async (run, name) => {
    const count = run.history.entries.length;
    const tell = (/** @type {number} */ done) => notice.busy(`Drawing frame ${done} of ${count}…`);
    const archive = await run.history.toZip(tell);
    save(archive, `${stem(name)}.zip`);
    notice.tell(`${count} frames as they were sent, drawn, and as COCO JSON.`);
  });
}
