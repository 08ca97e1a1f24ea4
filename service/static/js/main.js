/** Where the page begins: what is loaded, the two tabs. */

import { find } from "./page/dom.js";
import { Notice } from "./page/notice.js";
import { PictureTab } from "./picture/tab.js";
import { listModels } from "./service/calls.js";
import { followTabs } from "./tabs.js";
import { VideoTab } from "./video/tab.js";

async function begin() {
  followTabs(find(document, "[role=tablist]"));
  const notice = new Notice(find(document, ".greeting"));
  try {
    const models = await listModels();
    new PictureTab(find(document, "#picture"), models);
    new VideoTab(find(document, "#video"), models);
    document.body.dataset.ready = "";
    notice.clear();
  } catch (error) {
    notice.fail(error, () => location.reload());
  }
}

begin();
