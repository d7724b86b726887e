// What is filtered for, in words above the grid.

import { byId, button, fill, h } from "./dom.js";
import { NONE, want } from "./filters.js";
import { state } from "./state.js";
import { percent, SAID, tagLabel } from "./words.js";
import { go } from "./wanted.js";

/** What is filtered for, each as a button that takes it away. */
export function showChips() {
  const chips = inWords(state.view.wanted).map(([words, changes]) =>
    button(
      [h("bdi", null, words), h("span", { "aria-hidden": "true" }, " ×")],
      () => want(changes),
      { kind: "chip", "aria-label": `${words}: show others too` },
    ),
  );
  if (chips.length > 1)
    chips.push(
      button("Show all pictures", () => go({ wanted: { answers: {}, tags: [] } }), {
        kind: "plain",
      }),
    );
  fill(byId("chips"), chips);
  byId("filters-button").textContent = chips.length
    ? `Filters (${Math.max(1, chips.length - 1)})`
    : "Filters";
}

function inWords(wanted) {
  const words = Object.entries(wanted.answers).map(([group, label]) => {
    const { [group]: _, ...answers } = wanted.answers;
    return [`${group}: ${label ?? NONE}`, { answers }];
  });
  for (const tag of wanted.tags)
    words.push([tag.replace(":", ": "), { tags: wanted.tags.filter((one) => one !== tag) }]);
  if (wanted.said) words.push([SAID[wanted.said] ?? wanted.said, { said: undefined }]);
  if (wanted.label) {
    const share = `${percent(wanted.least ?? 0)} to ${percent(wanted.most ?? 1)}`;
    words.push([`score of ${tagLabel(wanted.label)}: ${share}`, { label: undefined }]);
  }
  if (wanted.status)
    words.push([`file: ${wanted.status.replace("_", " ")}`, { status: undefined }]);
  if (wanted.path) words.push([`name has “${wanted.path}”`, { path: "" }]);
  if (wanted.changed) words.push(["changed last night", { changed: undefined }]);
  if (wanted.sample) words.push(["the sample", { sample: undefined }]);
  if (wanted.audit) words.push(["what the audit found", { audit: undefined }]);
  if (wanted.sku) words.push([`product ${wanted.sku}`, { sku: undefined }]);
  if (wanted.disagree)
    words.push([`products disagree: ${wanted.disagree}`, { disagree: undefined }]);
  if (wanted.order === "least_sure")
    words.push([
      `least sure${wanted.group ? ` of ${wanted.group}` : ""} first`,
      { order: undefined },
    ]);
  return words;
}
