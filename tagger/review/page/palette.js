// The small window in which an answer is chosen: type a part of a label, or press its number.

import { button, fill, h, key, openDialog } from "./dom.js";
import { stroke, tagSaid } from "./say.js";
import { exclusiveGroups, groupOf, keyOf, state } from "./state.js";
import { byWhom, figure, ofPictures, percent } from "./words.js";

const UNKNOWN = "I do not know";
const plain = (text) => text.normalize("NFC").trim().toLowerCase();

/** Ask for a label of a group. `said` is called with strokes; a list of scores may be known. */
export function choose(name, pictures, said, { labels = [], closed } = {}) {
  const group = groupOf(name);
  const list = h("div", {
    role: "listbox",
    id: "labels",
    class: "labels",
    "aria-label": `Labels of ${name}`,
  });
  const field = h("input", {
    type: "text",
    role: "combobox",
    "aria-expanded": "true",
    "aria-controls": "labels",
    "aria-autocomplete": "list",
    "aria-label": `Label of ${name}`,
    placeholder: "Type a label …",
    autocomplete: "off",
    spellcheck: "false",
    maxlength: "200",
  });
  const window = openDialog(
    title(group, pictures),
    { kind: "palette", closed },
    field,
    list,
    hints(group),
  );
  const palette = { group, pictures, said, labels, list, field, window, rows: [], at: 0 };
  field.addEventListener("input", () => show(palette));
  field.addEventListener("keydown", (event) => pressed(palette, event));
  show(palette);
  field.focus();
}

function title(group, pictures) {
  const of = h("bdi", null, ofPictures(pictures));
  return [`${group.name} of `, of];
}

function hints(group) {
  const words = group.exclusive
    ? [
        key("1"),
        "–",
        key("9"),
        " choose   ",
        key("0"),
        " none of these   ",
        key("Enter"),
        " take the marked one   ",
        key("Esc"),
        " leave",
      ]
    : [
        key("Enter"),
        " yes   ",
        key("Shift Enter"),
        " no   ",
        key("Ctrl Enter"),
        " I do not know   ",
        key("Esc"),
        " done",
      ];
  return h("p", { class: "hints" }, words);
}

function show(palette) {
  const typed = plain(palette.field.value);
  palette.rows = [...labelRows(palette, typed), ...specialRows(palette, typed)];
  palette.at = 0;
  fill(
    palette.list,
    palette.rows.map((row, index) => option(palette, row, index, typed === "")),
  );
  mark(palette);
}

function labelRows({ group }, typed) {
  const proposed = state.night.proposals.filter(
    (one) => one.group === group.name && !group.labels.includes(one.label),
  );
  const rows = [
    ...group.labels.map((label) => ({ label, answer: "is" })),
    ...proposed.map(({ label, pictures }) => ({
      label,
      answer: "is",
      note: `proposed, said of ${figure(pictures)}`,
    })),
  ].filter((row) => plain(row.label).includes(typed));
  return rows.sort((one, other) => rank(one, typed) - rank(other, typed));
}

/** Labels that begin with what was typed come first; otherwise the model's order stays. */
const rank = (row, typed) => (plain(row.label).startsWith(typed) ? 0 : 1);

function specialRows({ group, pictures, field }, typed) {
  const rows = [];
  const text = field.value.trim();
  const exists = [
    ...group.labels,
    ...state.night.proposals.filter((one) => one.group === group.name).map((one) => one.label),
  ];
  if (typed && !exists.some((label) => plain(label) === typed)) {
    rows.push({
      label: text,
      answer: "is",
      words: ["Propose the new label “", h("bdi", null, text), "”"],
      note: "No model knows it yet. The pictures get this answer once a model is retrained with it.",
      isNew: true,
    });
  }
  if (!group.exclusive) return rows;
  rows.push({
    label: null,
    answer: "none",
    words: "None of these",
    digit: "0",
    note: `You have looked, and no label of ${group.name} fits.`,
  });
  rows.push({
    label: null,
    answer: "unknown",
    words: UNKNOWN,
    note: "The model's answer stays; no model learns from it.",
  });
  if (pictures.some((one) => one.answers?.[group.name]?.said)) {
    rows.push({
      label: null,
      answer: "withdrawn",
      words: "Take back what was said",
      note: "As if nobody had spoken: the model's answer counts.",
    });
  }
  return rows.filter((row) => row.isNew || plain(String(row.words)).includes(typed));
}

function option(palette, row, index, numbered) {
  const digit =
    row.digit ?? (numbered && index < 9 && row.label !== null ? String(index + 1) : null);
  return h(
    "div",
    {
      role: "option",
      id: `label-${index}`,
      class: row.note && row.answer !== "is" ? "special" : null,
      onclick: () => take(palette, row, row.answer),
    },
    h("span", { class: "digit" }, digit && numbered ? key(digit) : null),
    h(
      "span",
      { class: "label" },
      row.words ?? h("bdi", null, row.label),
      row.note ? h("small", null, row.note) : null,
    ),
    now(palette, row),
    palette.group.exclusive ? null : yesNo(palette, row),
  );
}

/** What is known of a label: its score, and whether a single picture has it now. */
function now({ group, pictures, labels }, row) {
  if (row.label === null || row.isNew) return null;
  const known = labels.find((one) => one.group === group.name && one.label === row.label);
  const one = pictures.length === 1 ? pictures[0] : null;
  const has =
    one?.answers &&
    (group.exclusive
      ? one.answers[group.name]?.label === row.label
      : one.tags.includes(`${group.name}:${row.label}`));
  const said = one && !group.exclusive ? tagSaid(one, group.name, row.label) : null;
  const person = said?.said ? `${SAYS[said.said]} ${byWhom(said.who)}` : null;
  return h(
    "span",
    { class: "now" },
    person ?? (has ? "now " : ""),
    !person && known ? percent(known.score) : null,
  );
}

const SAYS = { is: "yes,", is_not: "no,", unknown: "not known," };

function yesNo(palette, row) {
  const one = (words, answer) =>
    button(
      words,
      (event) => {
        event.stopPropagation();
        take(palette, row, answer);
      },
      { tabindex: "-1", "aria-label": `${row.label}: ${words}` },
    );
  return h("span", { class: "yes-no" }, one("Yes", "is"), one("No", "is_not"), one("?", "unknown"));
}

function mark({ list, field, at }) {
  for (const [index, row] of [...list.children].entries())
    row.setAttribute("aria-selected", String(index === at));
  if (list.children[at]) field.setAttribute("aria-activedescendant", `label-${at}`);
  else field.removeAttribute("aria-activedescendant");
  list.children[at]?.scrollIntoView({ block: "nearest" });
}

function pressed(palette, event) {
  const { rows, field, group } = palette;
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step && rows.length) {
    palette.at = (palette.at + step + rows.length) % rows.length;
    mark(palette);
  } else if (event.key === "Enter" && rows[palette.at]) {
    const row = rows[palette.at];
    take(
      palette,
      row,
      group.exclusive ? row.answer : event.shiftKey ? "is_not" : event.ctrlKey ? "unknown" : "is",
    );
  } else if (/^\d$/.test(event.key) && field.value === "" && numbered(rows, event.key)) {
    take(palette, numbered(rows, event.key), numbered(rows, event.key).answer);
  } else return;
  event.preventDefault();
}

function numbered(rows, digit) {
  if (digit === "0") return rows.find((row) => row.digit === "0");
  const row = rows[Number(digit) - 1];
  return row?.label !== null ? row : undefined;
}

function take(palette, row, answer) {
  const { group, pictures, window, field, said } = palette;
  const strokes = pictures.map((picture) => stroke(picture, group.name, row.label, answer));
  if (group.exclusive) {
    window.close();
    said(strokes);
    return;
  }
  said(strokes).then(() => show(palette));
  field.value = "";
  field.focus();
}

/** Ask which group an answer is about; asked only where there are several. */
export function whichGroup(words, chosen) {
  const groups = exclusiveGroups();
  if (groups.length < 2) {
    if (groups.length) chosen(groups);
    return;
  }
  const pick = (picked) => {
    window.close();
    chosen(picked);
  };
  const buttons = groups.map((group) =>
    button(group.name, () => pick([group]), { letter: keyOf(group) }),
  );
  buttons.push(button("all of them", () => pick(groups), { letter: "a" }));
  const window = openDialog(
    `${words}: of which group?`,
    { kind: "small" },
    h("div", { class: "choices" }, buttons),
  );
  window.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const group = groups.find((one) => keyOf(one) === event.key);
    if (group) pick([group]);
    else if (event.key === "a") pick(groups);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  buttons[0].focus();
}
