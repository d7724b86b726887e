// Banners above the grid, and the dialogs that ask or explain.

import { openNewer } from "./api.js";
import { byId, button, fill, h, name, openDialog } from "./dom.js";
import { insist, letGo, notKept, sendAgain } from "./say.js";
import { emit, groupKeys, on, state } from "./state.js";
import { baseName, count, nightName, saidWords, when, who } from "./words.js";

/** What is wrong with the server or the address, in words; null: nothing. */
let trouble = null;

export function setTrouble(words) {
  if (trouble === words) return;
  trouble = words;
  showBanners();
}

export function showBanners() {
  for (const place of document.querySelectorAll(".banners")) fillBanners(place);
}

function fillBanners(place) {
  const rows = notKept().map(unkeptBanner);
  if (trouble)
    rows.unshift(
      banner(
        "bad",
        [h("p", null, trouble)],
        button("Try again", () => emit("retry")),
      ),
    );
  if (state.night?.newer) rows.push(newerBanner());
  const had = place.contains(document.activeElement);
  fill(place, rows);
  if (had)
    (
      place.querySelector("button") ??
      place.closest("dialog")?.querySelector("h2") ??
      byId("total")
    ).focus();
}

const banner = (kind, words, ...buttons) =>
  h(
    "div",
    { class: `banner ${kind}`, role: kind === "bad" ? "alert" : "status" },
    h("div", null, words),
    h("div", { class: "choices" }, buttons),
  );

function unkeptBanner(job) {
  const what = h("p", null, h("b", null, "Not kept: "), name(job.words), ".");
  return banner(
    "bad",
    [what, h("p", null, job.error)],
    button("Send again", () => sendAgain(job)),
    button("Let it go", () => letGo(job), { kind: "plain" }),
  );
}

function newerBanner() {
  const words = h(
    "p",
    null,
    `A new night was published: ${nightName(state.night.newer)}. What you have answered is kept and stays.`,
  );
  const look = async (event) => {
    event.target.disabled = true;
    event.target.textContent = "Opening it …";
    try {
      await openNewer();
      emit("retry");
    } catch (refused) {
      setTrouble(refused.message);
      showBanners();
    }
  };
  return banner("news", [words], button("Look at it", look));
}

/** Others have said something meanwhile: whose word is to count? */
export function askConflict({ job, conflicts }) {
  const mine = new Map(job.items.map((item) => [`${item.picture.content} ${item.group}`, item]));
  const line = (theirs) => {
    const my = mine.get(`${theirs.content_sha256} ${theirs.group}`);
    return h(
      "li",
      null,
      h("b", null, name(baseName(theirs.image_id))),
      h("br"),
      h("b", null, name(who(theirs.who))),
      " said ",
      name(saidWords(theirs)),
      `, ${when(theirs.at)}`,
      my ? [h("br"), "you say ", name(saidWords(my))] : null,
    );
  };
  const decide = (what) => () => {
    decided = true;
    window.close();
    what();
  };
  let decided = false;
  const keepTheirs = () => emit("kept-theirs", job);
  const window = openDialog(
    "Somebody else has answered meanwhile",
    { kind: "small", closed: () => decided || keepTheirs() },
    h("p", null, `Nothing of “${job.words}” is kept yet.`),
    h(
      "ul",
      { class: "conflicts" },
      conflicts.slice(0, 20).map(line),
      conflicts.length > 20 ? h("li", null, `and ${count(conflicts.length - 20, "other")}`) : null,
    ),
    h(
      "div",
      { class: "choices" },
      button("Keep theirs", decide(keepTheirs), { kind: "main" }),
      button(
        "Keep mine",
        decide(() => insist(job)),
      ),
    ),
  );
  window.querySelector("button").focus();
}

/** Ask before many are answered at once; resolves to whether to go on. */
export function confirmMany(words, yes) {
  return new Promise((resolve) => {
    let answer = false;
    const press = (value) => () => {
      answer = value;
      window.close();
    };
    const window = openDialog(
      words,
      { kind: "small", closed: () => resolve(answer) },
      h("p", null, "It is one step: undo takes all of it back."),
      h(
        "div",
        { class: "choices" },
        button(yes, press(true), { kind: "main" }),
        button("Cancel", press(false)),
      ),
    );
    window.querySelector("button").focus();
  });
}

export function showProposals() {
  const rows = state.night.proposals.map((one) =>
    h(
      "li",
      null,
      `${one.group}: `,
      h("b", null, name(one.label)),
      h("span", { class: "quiet" }, ` said of ${count(one.pictures, "picture")}`),
    ),
  );
  const command = state.night.add_command;
  const field = h("textarea", {
    readonly: true,
    rows: "3",
    "aria-label": "Command",
    spellcheck: "false",
  });
  field.value = command ?? "";
  const copied = h("span", { role: "status", class: "quiet" });
  const copy = async () => {
    field.select();
    try {
      await navigator.clipboard.writeText(field.value);
      copied.textContent = "Copied.";
    } catch {
      copied.textContent = "It is marked: copy it with Ctrl C.";
    }
  };
  openDialog(
    "Proposed labels",
    { kind: "small" },
    h(
      "p",
      null,
      "You or others named these, and the model does not have them. Until it is retrained with them, their pictures have no answer in these groups.",
    ),
    h("ul", null, rows),
    command
      ? [
          h("p", null, "Whoever trains models adds them with:"),
          field,
          h("div", { class: "choices" }, button("Copy the command", copy), copied),
        ]
      : null,
  );
}

export function showHelp() {
  const groups = [...groupKeys()].map(([letter, group]) => [
    letter,
    `choose for ${group.name}: type a part of a label, or its number`,
  ]);
  const keys = [
    ["← → ↑ ↓", "move; beyond the last picture lies the next page"],
    ["Enter", "open the picture large; there: the answer in question is right"],
    ["Space", "select, or no longer; with Shift and arrows a range"],
    ["a", "select all of this page; Esc selects none"],
    ...groups,
    ["y", "right as it is: confirms what the picture says, for all groups"],
    ["n", "none of these: you looked, and no label fits"],
    ["u", "I do not know: the model's answer stays, and no model learns from it"],
    [", .", "as given, as suggested: of what an audit found"],
    ["z", "undo, step by step"],
    ["/", "look for a file name"],
    ["?", "this help"],
  ];
  openDialog(
    "Keys, and what things mean",
    { kind: "small help" },
    h(
      "dl",
      null,
      keys.map(([letters, words]) => [
        h(
          "dt",
          null,
          letters.split(" ").map((one) => h("kbd", null, one)),
        ),
        h("dd", null, words),
      ]),
    ),
    h(
      "p",
      null,
      "An answer goes to all selected pictures; if none is selected, to the one in focus.",
    ),
    h(
      "p",
      null,
      h("b", null, "✓ red"),
      " on green is a person's word, with the name of who said it. Without a tick it is the model's, with how sure it is. A person's word is never overwritten by a model; the next night takes it over.",
    ),
    h("p", null, "What you answer is on the disk as soon as the page says “Kept”."),
  );
}

on("conflict", askConflict);
on("said", showBanners);
on("saying", showBanners);
on("night", showBanners);
on("night-said", showBanners);
