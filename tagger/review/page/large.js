// One picture large: what it answers, every score, who said what, its copies and look-alikes.

import * as api from "./api.js";
import { showBanners } from "./banners.js";
import { button, fill, h, isTyping, name, openDialog } from "./dom.js";
import { choose } from "./palette.js";
import { confirmed, say, stroke, undo } from "./say.js";
import { emit, groupKeys, groupOf, on, state } from "./state.js";
import { details, headline, productButton } from "./large_parts.js";
import { question } from "./questions.js";
import { nextOpen, progressWords } from "./sample.js";
import { openFinding, statusWords } from "./words.js";
import { go } from "./wanted.js";

/** What is open: {id, window, detail, question}, or null. */
let open = null;

export const isOpen = () => open !== null;

/** Show the picture that the address names, or none. */
export async function showLarge(id) {
  if (id === null) {
    open?.window.close();
    return;
  }
  if (open?.id === id) return;
  if (!open) create();
  Object.assign(open, { id, detail: null, question: null });
  fill(open.parts.title, name(id));
  fill(open.parts.figure, h("p", { class: "quiet" }, "Opening …"));
  fill(open.parts.answers);
  fill(open.parts.more);
  await read(id, true);
}

function create() {
  const parts = {
    title: h("span"),
    place: h("p", { class: "quiet place" }),
    figure: h("figure"),
    answers: h("div", { class: "questions" }),
    more: h("div", { class: "more" }),
    told: h("p", { class: "status", role: "status" }),
  };
  const side = h("div", { class: "side" }, parts.place, parts.answers, parts.more);
  const closed = () => {
    const id = open.id;
    open = null;
    if (state.view.picture !== null) go({ ...state.view, picture: null });
    emit("closed", id);
  };
  const window = openDialog(
    parts.title,
    { kind: "large", closed },
    tools(),
    h("div", { class: "both" }, parts.figure, side),
    parts.told,
    h("div", { class: "banners" }),
  );
  showBanners();
  window.addEventListener("keydown", pressed);
  open = { window, parts, id: null };
  window.querySelector("h2").focus();
}

function tools() {
  return h(
    "div",
    { class: "tools" },
    button("Previous", () => step(-1), { letter: "←" }),
    button("Next", () => step(1), { letter: "→" }),
    button("Undo", undo, { letter: "z" }),
    button("Close", () => open.window.close(), { letter: "Esc" }),
  );
}

async function read(id, whole) {
  const lines = state.night.lines;
  let detail;
  try {
    detail = await api.getPicture(id);
  } catch (refused) {
    if (open?.id === id) fill(open.parts.figure, h("p", { class: "no-picture" }, refused.message));
    return;
  }
  if (open?.id !== id) return;
  detail.picture.lines = lines;
  detail.picture.said_tags ??= detail.labels.filter((one) => !one.exclusive && one.said);
  open.detail = detail;
  if (whole) fill(open.parts.figure, figure(detail.picture));
  open.question = firstOpen() ?? open.question ?? state.night.groups[0]?.name ?? null;
  show();
}

function figure(picture) {
  if (picture.status !== "ok") return h("p", { class: "no-picture" }, statusWords(picture));
  const source = api.pictureAddress(picture, 1024);
  const image = h("img", { src: source, alt: "", width: picture.width, height: picture.height });
  image.addEventListener("error", async () => {
    image.replaceWith(
      h(
        "p",
        { class: "no-picture" },
        (await api.whyNoPicture(source)) || "The picture could not be shown.",
      ),
    );
  });
  return image;
}

/** The first group about which no person has said anything of this picture. */
function firstOpen() {
  const { picture } = open.detail;
  return state.night.groups.map((group) => group.name).find((group) => !isAnswered(picture, group));
}

function isAnswered(picture, group) {
  if (groupOf(group).exclusive) return Boolean(picture.answers[group]?.said);
  return open.detail.labels.filter((one) => one.group === group).every((one) => one.said);
}

function show() {
  const { detail, parts } = open;
  const had = open.window.contains(document.activeElement)
    ? document.activeElement.dataset.key
    : null;
  fill(parts.place, place(), " ", productButton(detail.picture));
  fill(
    parts.answers,
    headline(detail.picture, answerLabel),
    detail.picture.status === "ok"
      ? state.night.groups.map((group) =>
          question(group, detail, group.name === open.question, DEEDS),
        )
      : null,
    everything(),
  );
  fill(
    parts.more,
    details(detail, (id) => go({ ...state.view, picture: id })),
  );
  const back = had ? open.window.querySelector(`[data-key="${CSS.escape(had)}"]`) : null;
  if (back) back.focus({ preventScroll: true });
  else if (!open.window.contains(document.activeElement))
    open.window.querySelector("h2").focus({ preventScroll: true });
}

/** What the buttons of a question do. */
const DEEDS = { ask, right, other, answer: answer_ };

function place() {
  if (state.view.wanted.sample) return progressWords(open.detail.picture);
  const index = state.pictures.findIndex((one) => one.image_id === open.id);
  return index < 0
    ? "Not on this page of the grid"
    : `Picture ${state.view.offset + index + 1} of ${state.total}`;
}

function everything() {
  if (open.detail.picture.status !== "ok") return null;
  return button("Everything is right as it is", allRight, {
    letter: "y",
    kind: "all-right",
    "data-key": "y",
  });
}

function ask(group) {
  if (open.question === group || !open.detail) return;
  open.question = group;
  show();
}

async function answer_(group, label, answer) {
  await told(say([stroke(open.detail.picture, group.name, label, answer)]));
}

/** Answer by a label's name as an audit has it. */
function answerLabel(group, label) {
  if (label === "none") answer_(group, null, "none");
  else answer_(group, label, "is");
}

function answerFinding(part) {
  const found = openFinding(open.detail.picture);
  if (found?.[part]) answerLabel(found.group, found[part]);
}

function right(group) {
  const all = confirmed(open.detail.picture, open.detail.labels).filter(
    (one) => one.group === group,
  );
  if (all.length) told(say(all));
  else onward();
}

function allRight() {
  const all = confirmed(open.detail.picture, open.detail.labels);
  if (all.length) told(say(all));
  else onward();
}

function other(group) {
  const { picture, labels } = open.detail;
  choose(group, [picture], (strokes) => told(say(strokes)), { labels });
}

/** When something was kept: look at the picture anew, and go on once every group is answered. */
async function told(promise) {
  const id = open.id;
  if (!(await promise) || open?.id !== id) return;
  await read(id, false);
  if (open?.id === id && firstOpen() === undefined) onward();
}

function onward() {
  if (!state.view.wanted.sample) {
    fill(open.parts.told, "Every group is answered. → goes on to the next picture.");
    return;
  }
  const next = nextOpen(open.id);
  if (next === null) open.window.close();
  else go({ ...state.view, picture: next }, { replace: true });
}

function step(by) {
  const index = state.pictures.findIndex((one) => one.image_id === open.id);
  const next = state.pictures[index < 0 ? 0 : index + by];
  if (next) go({ ...state.view, picture: next.image_id }, { replace: true });
  else
    fill(
      open.parts.told,
      by > 0 ? "That was the last picture of this page." : "This is the first picture of the page.",
    );
}

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event) || !open?.detail) return;
  const group = open.question ? groupOf(open.question) : null;
  const onButton = event.target.closest("button, a, summary");
  const act = action(event.key, group, onButton);
  if (!act) return;
  event.preventDefault();
  event.stopPropagation();
  act();
}

function action(pressed, group, onButton) {
  if (pressed === "ArrowRight") return () => step(1);
  if (pressed === "ArrowLeft") return () => step(-1);
  if (pressed === "z") return undo;
  if (pressed === "?") return () => emit("help");
  if (open.detail.picture.status !== "ok") return null;
  if (pressed === "y") return allRight;
  if (pressed === "," || pressed === ".")
    return () => answerFinding(pressed === "," ? "given" : "suggested");
  if (groupKeys().has(pressed)) return () => other(groupKeys().get(pressed).name);
  if (!group) return null;
  if (pressed === "Enter" && !onButton) return () => right(group.name);
  if (pressed === "n" && group.exclusive) return () => answer_(group, null, "none");
  if (pressed === "u" && group.exclusive) return () => answer_(group, null, "unknown");
  if (
    /^[1-9]$/.test(pressed) &&
    group.exclusive &&
    group.labels.length <= 9 &&
    group.labels[pressed - 1]
  ) {
    return () => answer_(group, group.labels[pressed - 1], "is");
  }
  if ((pressed === "ArrowDown" || pressed === "ArrowUp") && !onButton)
    return () => turn(pressed === "ArrowDown" ? 1 : -1);
  return null;
}

function turn(by) {
  const names = state.night.groups.map((group) => group.name);
  const to = names[names.indexOf(open.question) + by];
  if (to) ask(to);
}

on("told", (words) => open && fill(open.parts.told, words));
on("said", (contents) => {
  if (open?.detail && contents.has(open.detail.picture.content)) read(open.id, false);
});
