// The sample: how far it is, and what it says so far of every label, in words and as small bars.

import * as api from "./api.js";
import { byId, button, fill, h, name } from "./dom.js";
import { apply, catchUp, moment, tagSaid } from "./say.js";
import { emit, on, state } from "./state.js";
import { count, figure, percent } from "./words.js";
import { go } from "./wanted.js";

const place = byId("sample");
/** Its pictures, in the order of asking. */
let pictures = [];
/** What is asked of each: [group, null], or [group, label] where several may hold. */
let questions = [];
let later = null;
const NONE = "none of its labels";

const isHere = () =>
  Boolean(state.night?.sample) && state.view?.wanted.sample === state.night.sample;

/** Show the sample's progress and estimates above its pictures; nothing elsewhere. */
export async function showSample() {
  place.hidden = !isHere();
  if (!isHere()) return;
  if (!place.childElementCount) fill(place, h("p", { class: "quiet" }, "Reading the sample …"));
  try {
    const asked = moment();
    const rows = await readAll({ sample: state.night.sample });
    const sample = await api.getSample();
    questions = questionsOf(sample);
    pictures = inOrder(
      sample,
      rows.filter((one) => one.status === "ok").map((one) => catchUp(one, asked)),
    );
    show(sample);
  } catch (refused) {
    fill(place, h("p", { class: "asks" }, refused.message));
  }
}

function questionsOf({ estimates, groups }) {
  const others = estimates.filter((one) => !groups.includes(one.group));
  const whole = groups.filter((group) => estimates.some((one) => one.group === group));
  return [...whole.map((group) => [group, null]), ...others.map((one) => [one.group, one.label])];
}

/** The pictures in the order of asking; in place of those that a newer night lacks, what is known. */
function inOrder({ order, judged }, rows) {
  const byName = new Map(rows.map((one) => [one.image_id, one]));
  const byContent = new Map(rows.map((one) => [one.content, one]));
  return order.map(([id, content], index) => {
    const same = byName.get(id);
    if (same?.content === content) return same;
    return byContent.get(content) ?? { content, gone: true, done: index < judged };
  });
}

/** Read everything that is wanted, 500 at a time. */
export async function readAll(wanted, read = () => {}) {
  const all = [];
  for (;;) {
    const found = await api.find(wanted, all.length, 500);
    all.push(...found.pictures);
    read(all.length, found.total);
    if (!found.pictures.length || all.length >= found.total) return all;
  }
}

/**
 * A picture is done with once each question of the sample was answered: an exclusive group is one,
 * and so is each label of others. "I do not know" is an answer.
 */
function isDone(picture) {
  if (picture.gone) return picture.done;
  return questions.every((question) => isAnswered(picture, question));
}

function isAnswered(picture, [group, label]) {
  const now = label === null ? picture.answers[group] : tagSaid(picture, group, label);
  return Boolean(now?.said);
}

/** How many pictures count: those before the first one that is not done, in the order of asking. */
function counting() {
  const open = pictures.findIndex((one) => !isDone(one));
  return open < 0 ? pictures.length : open;
}

/** What was said out of turn, in words; null if nothing was. */
function outOfTurn() {
  const isBegun = (one) => questions.some((question) => isAnswered(one, question));
  const n = pictures.slice(counting() + 1).filter((one) => !one.gone && isBegun(one)).length;
  if (!n) return null;
  return ` Something was said of ${count(n, "picture")} further on: that counts once everything is answered of all before, of those that are right, too.`;
}

/** "37 of 200 are answered", beside a picture. */
export function progressWords(picture) {
  const index = pictures.findIndex((one) => one.content === picture.content);
  const number = index < 0 ? "" : `Picture ${index + 1} of the sample. `;
  return [
    number,
    h("b", null, `${figure(counting())} of ${figure(pictures.length)}`),
    " are answered.",
    outOfTurn(),
  ];
}

/** The id of the first picture that still asks something, other than this one; or null. */
export function nextOpen(id = null) {
  const open = pictures.find((one) => !one.gone && one.image_id !== id && !isDone(one));
  return open?.image_id ?? null;
}

function goOn() {
  const next = nextOpen();
  if (next === null) emit("told", "Every picture of the sample that is in this night is answered.");
  else go({ ...state.view, picture: next });
}

function show(sample) {
  const all = pictures.length;
  const n = counting();
  const had = place.contains(document.activeElement);
  fill(
    place,
    h("h2", null, "How good is it here?"),
    h(
      "p",
      null,
      h("b", null, `${figure(n)} of ${figure(all)}`),
      " pictures of the sample are answered.",
      outOfTurn(),
    ),
    h("progress", {
      max: all || 1,
      value: n,
      "aria-label": "Pictures of the sample that are answered",
    }),
    h(
      "div",
      { class: "choices" },
      n < all
        ? button(n ? "Go on with the next picture" : "Begin with the first picture", goOn, {
            kind: "main",
            id: "sample-on",
          })
        : h(
            "p",
            null,
            "That is all of it: thank you. The figures below are kept with the index; tagger runs prints them too.",
          ),
    ),
    estimates(sample.estimates ?? []),
  );
  if (had) byId("sample-on")?.focus();
}

function estimates(list) {
  const known = list.filter((one) => isKnown(one.precision_low) || isKnown(one.missing_low));
  const others = list.filter((one) => !known.includes(one));
  if (!known.length) {
    return h(
      "p",
      { class: "quiet" },
      "Once some pictures are answered, this page says of each label how often it is right, and how many pictures it misses, with how far that can be trusted.",
    );
  }
  known.sort((one, other) => (one.precision ?? 2) - (other.precision ?? 2));
  const head = [
    "Label",
    "When the model says it, it is right",
    "Of pictures that show it, missed",
    "Judged",
  ].map((words) => h("th", { scope: "col" }, words));
  return h(
    "div",
    { class: "estimates", tabindex: "0", role: "region", "aria-label": "Estimates per label" },
    h(
      "table",
      null,
      h(
        "caption",
        null,
        h(
          "span",
          null,
          "Bars show 95 % intervals: of 20 samples like this, 19 have the truth within theirs. They narrow with every answer. The label that is right least often comes first.",
        ),
      ),
      h("thead", null, h("tr", null, head)),
      h("tbody", null, known.map(row)),
    ),
    others.length
      ? h(
          "p",
          { class: "quiet" },
          "Nothing is known yet of: ",
          others.map((one, index) => [index ? ", " : "", name(labelWords(one))]),
          ".",
        )
      : null,
  );
}

const isKnown = (end) => end !== null && end !== undefined;
const labelWords = (one) => (one.label === null ? `${one.group} ${NONE}` : one.label);

function row(one) {
  return h(
    "tr",
    null,
    h(
      "th",
      { scope: "row" },
      h("span", { class: "quiet" }, `${one.group} `),
      name(one.label ?? NONE),
    ),
    h("td", null, share(one.precision, one.precision_low, one.precision_high, "good")),
    h("td", null, share(one.missing, one.missing_low, one.missing_high, "bad")),
    h(
      "td",
      null,
      figure(one.judged),
      one.unknown ? h("span", { class: "quiet" }, ` and ${figure(one.unknown)} not known`) : null,
    ),
  );
}

function between(low, high) {
  if (low === high) return "exactly: all of them were judged";
  if (low <= 0 && high >= 1) return "between none and all";
  return `between ${percent(low)} and ${percent(high)}`;
}

function share(value, low, high, kind) {
  if (!isKnown(low)) return h("span", { class: "quiet" }, "nothing is known yet");
  const band = h("span", { class: `band ${kind}`, "aria-hidden": "true" });
  band.style.setProperty("--low", `${100 * low}%`);
  band.style.setProperty("--high", `${100 * high}%`);
  band.style.setProperty("--mark", `${100 * (value ?? low)}%`);
  const best = value === null ? "" : `${percent(value)}, `;
  return [h("span", { class: "figures" }, `${best}${between(low, high)}`), band];
}

on("kept", (job) => {
  for (const picture of pictures) if (!picture.gone) apply(picture, job);
  clearTimeout(later);
  if (isHere()) later = setTimeout(() => api.getSample().then(show, () => {}), 700);
});
