// Which pictures: the fields at the side, and the same as words above the grid.

import { byId, fill, h } from "./dom.js";
import { exclusiveGroups, on, otherGroups, state } from "./state.js";
import { address, go } from "./wanted.js";
import { figure, SAID, tagLabel } from "./words.js";

const side = byId("filters");
export const NONE = "none of the labels";
let typing = null;
/** The proposed labels that the fields offer, to see whether there are others by now. */
let proposals = "";

/** Change the filter: these fields, the others as they are. */
export function want(changes) {
  const wanted = { ...state.view.wanted, ...changes };
  if (wanted.order === "score" && !wanted.label) delete wanted.order;
  if (wanted.order !== "least_sure") delete wanted.group;
  if (!wanted.label) {
    delete wanted.least;
    delete wanted.most;
  }
  go({ wanted });
}

/** Draw the fields, with what they are set to. */
export function showFilters() {
  const { id, selectionStart } = document.activeElement;
  proposals = JSON.stringify(state.night.proposals);
  fill(side, starts(), form());
  const back = id ? side.querySelector(`#${CSS.escape(id)}`) : null;
  back?.focus();
  if (id === "path" && back) back.setSelectionRange(selectionStart, selectionStart);
}

function starts() {
  const places = [
    ["Least sure first", { order: "least_sure" }],
    ["Changed last night", { changed: true }],
    ["Asked again", { said: "asked_again" }],
    ["Persons against the model", { said: "against_model" }],
    ["All pictures", {}],
  ];
  if (state.night.audit !== null)
    places.unshift([`Audit: ${figure(state.night.audit)} doubtful`, { audit: true }]);
  const here = address({ wanted: state.view.wanted });
  const link = ([words, wanted]) => {
    const to = address({ wanted });
    return h("a", { href: to, "aria-current": to === here ? "page" : null }, words);
  };
  return h(
    "nav",
    { class: "starts", "aria-label": "Where to begin" },
    h("h2", null, "Begin with"),
    places.map(link),
  );
}

function form() {
  const wanted = state.view.wanted;
  return h(
    "form",
    { onsubmit: (event) => event.preventDefault() },
    h("h2", null, "Or choose"),
    exclusiveGroups().map(answerField),
    otherGroups().map(tagField),
    select(
      "said",
      "What persons said",
      wanted.said,
      [["", "anything or nothing"], ...Object.entries(SAID)],
      (said) => want({ said }),
    ),
    state.night.products === null ? null : disagreeField(wanted),
    scoreField(wanted),
    select("order", "Order", orderValue(wanted), orders(wanted), setOrder),
    statusField(wanted),
    h("label", { for: "path" }, "Part of the file's name or folder", pathField(wanted)),
    check("changed", "Changed or new last night", wanted.changed, (on) =>
      want({ changed: on || undefined }),
    ),
    state.night.sample
      ? check("in-sample", "Only the sample", wanted.sample === state.night.sample, (on) =>
          want({ sample: on ? state.night.sample : undefined }),
        )
      : null,
    state.night.audit !== null
      ? check("audit", "Only what the audit found", wanted.audit, (on) =>
          want({ audit: on || undefined }),
        )
      : null,
  );
}

function select(id, words, value, choices, chosen) {
  const options = choices.map(([key, text]) =>
    h("option", { value: key, selected: key === (value ?? "") }, text),
  );
  const field = h(
    "select",
    { id: `f-${id}`, onchange: (event) => chosen(event.target.value) },
    options,
  );
  return h("label", { for: `f-${id}` }, words, field);
}

function check(id, words, on, chosen) {
  const field = h("input", {
    type: "checkbox",
    id: `f-${id}`,
    checked: Boolean(on),
    onchange: (event) => chosen(event.target.checked),
  });
  return h("label", { for: `f-${id}`, class: "check" }, field, words);
}

/** A label's value is its place in the group, so that no name can be mistaken for "any". */
function answerField(group, place) {
  const answers = state.view.wanted.answers;
  const proposed = state.night.proposals
    .filter((one) => one.group === group.name)
    .map((one) => one.label);
  const labels = [...group.labels, ...proposed];
  const now = !(group.name in answers)
    ? ""
    : answers[group.name] === null
      ? "none"
      : String(labels.indexOf(answers[group.name]));
  const names = labels.map((label, index) => [
    String(index),
    index < group.labels.length ? label : `${label} (proposed)`,
  ]);
  const chosen = (value) => {
    const { [group.name]: _, ...others } = answers;
    if (value === "") want({ answers: others });
    else
      want({
        answers: { ...others, [group.name]: value === "none" ? null : labels[Number(value)] },
      });
  };
  return select(
    `answer-${place}`,
    group.name,
    now,
    [["", "any answer"], ...names, ["none", NONE]],
    chosen,
  );
}

function tagField(group, place) {
  const tags = state.view.wanted.tags;
  const left = group.labels.filter((label) => !tags.includes(`${group.name}:${label}`));
  const chosen = (value) => want({ tags: [...tags, `${group.name}:${value}`] });
  return select(
    `tag-${place}`,
    group.name,
    "",
    [["", tags.length ? "and also …" : "any"], ...left.map((label) => [label, label])],
    chosen,
  );
}

function disagreeField(wanted) {
  const groups = exclusiveGroups().map((group) => group.name);
  return select(
    "disagree",
    "Products whose pictures disagree",
    wanted.disagree === undefined ? "" : String(groups.indexOf(wanted.disagree)),
    [["", "whether or not"], ...groups.map((group, place) => [String(place), `in ${group}`])],
    (value) => want({ disagree: value === "" ? undefined : groups[Number(value)] }),
  );
}

function scoreField(wanted) {
  const groups = state.night.groups.map((group) =>
    h(
      "optgroup",
      { label: group.name },
      group.labels.map((label) => {
        const value = `${group.name}:${label}`;
        return h("option", { value, selected: value === wanted.label }, label);
      }),
    ),
  );
  const set = (event) => want({ label: event.target.value || undefined });
  const field = h(
    "select",
    { id: "f-label", onchange: set },
    h("option", { value: "" }, "any"),
    groups,
  );
  return h(
    "div",
    { class: "score" },
    h("label", { for: "f-label" }, "Score of a label", field),
    wanted.label ? range(wanted) : null,
  );
}

function range(wanted) {
  const bound = (key, words, usual) => {
    const set = (event) => {
      const share = Number(event.target.value) / 100;
      want({ [key]: event.target.value === "" || !(share >= 0 && share <= 1) ? usual : share });
    };
    const value = Math.round(10_000 * (wanted[key] ?? usual)) / 100;
    return h(
      "label",
      { for: `f-${key}` },
      words,
      h("input", {
        id: `f-${key}`,
        type: "number",
        min: 0,
        max: 100,
        step: "any",
        value,
        onchange: set,
      }),
    );
  };
  return h("div", { class: "range" }, bound("least", "from, %", 0), bound("most", "to, %", 1));
}

function orders(wanted) {
  const sure = exclusiveGroups().map((group, place) => [
    `sure-${place}`,
    `least sure of ${group.name} first`,
  ]);
  const score = wanted.label ? [["score", `highest score of ${tagLabel(wanted.label)} first`]] : [];
  return [
    ["", wanted.sample ? "as the sample asks" : wanted.disagree ? "by product" : "by file name"],
    ["sure", "least sure first"],
    ...(sure.length > 1 ? sure : []),
    ...score,
  ];
}

function orderValue(wanted) {
  if (wanted.order === "score") return "score";
  if (wanted.order !== "least_sure") return "";
  const place = exclusiveGroups().findIndex((group) => group.name === wanted.group);
  return place < 0 ? "sure" : `sure-${place}`;
}

function setOrder(value) {
  if (value === "score") return want({ order: "score" });
  if (!value.startsWith("sure")) return want({ order: undefined, group: undefined });
  const group = value === "sure" ? undefined : exclusiveGroups()[Number(value.slice(5))].name;
  return want({ order: "least_sure", group });
}

function statusField(wanted) {
  const names = Object.entries(state.night.statuses).map(([status, n]) => [
    status,
    `${status.replace("_", " ")} (${figure(n)})`,
  ]);
  return select("status", "State of the file", wanted.status, [["", "any"], ...names], (status) =>
    want({ status: status || undefined }),
  );
}

function pathField(wanted) {
  const typed = (event) => {
    clearTimeout(typing);
    const path = event.target.value;
    typing = setTimeout(() => want({ path }), 300);
  };
  return h("input", {
    id: "path",
    type: "search",
    value: wanted.path ?? "",
    oninput: typed,
    autocomplete: "off",
    spellcheck: "false",
  });
}

byId("filters-button").addEventListener("click", () => {
  const open = document.body.classList.toggle("filtering");
  byId("filters-button").setAttribute("aria-expanded", String(open));
  if (open) side.querySelector("a, select")?.focus();
});

on("night", () => state.view && showFilters());
on("night-said", () => {
  if (proposals !== JSON.stringify(state.night.proposals)) showFilters();
});
