/** Where the page begins: what is loaded, the two tabs, files that come from anywhere. */

import { find } from "./page/dom.js";
import { acceptAnywhere } from "./page/drop.js";
import { Notice } from "./page/notice.js";
import { PictureTab } from "./picture/tab.js";
import { listModels } from "./service/calls.js";
import { followTabs } from "./tabs.js";
import { VideoTab } from "./video/tab.js";

async function begin() {
  /** @type {VideoTab | null} */
  let video = null;
  let shown = "";
  const show = followTabs(find(document, "[role=tablist]"), (panel) => {
    shown = panel;
    if (panel !== "video") video?.pause(); // nobody sees it
  });
  const notice = new Notice(find(document, ".greeting"));
  try {
    const models = await listModels();
    const picture = new PictureTab(find(document, "#picture"), models);
    video = new VideoTab(find(document, "#video"), models);
    const tabs = { picture, video };
    acceptAnywhere((file) => {
      const kind = { image: "picture", video: "video" }[file.type.split("/")[0]] ?? shown;
      show(kind);
      tabs[/** @type {"picture" | "video"} */ (kind)].open(file);
    });
    document.body.dataset.ready = "";
    notice.clear();
  } catch (error) {
    notice.fail(error, () => location.reload());
  }
}

begin();
