// Saying something of pictures. It is shown as kept only once the server has said so; what was not
// kept stays until it is sent again or let go. What was kept can be undone, step by step.

import * as api from "./api.js";
import { emit, groupOf, MOST, otherGroups, state } from "./state.js";
import { count, ofPictures, saidWords } from "./words.js";

const undoable = [];
const unkept = new Set();
const waiting = new Set();
const known = new Map();
const everKept = [];
let queue = Promise.resolve();

export const lastStep = () => undoable.at(-1) ?? null;
export const steps = () => undoable.length;
export const notKept = () => [...unkept];
export const isWaiting = () => waiting.size > 0;

/** A thing said of a picture: {picture, group, label, answer}. */
export function stroke(picture, group, label, answer) {
  return { picture, group, label, answer };
}

/** Say these things at once. Returns a promise of whether they were kept. */
export function say(strokes) {
  if (strokes.length === 0) return Promise.resolve(false);
  if (strokes.length > MOST) {
    emit(
      "told",
      `That would be ${count(strokes.length, "answer")}; at most ${count(MOST, "answer")} are kept at once. Select fewer pictures.`,
    );
    return Promise.resolve(false);
  }
  const pictures = [...new Set(strokes.map((one) => one.picture))];
  const job = {
    items: strokes.map(({ picture, group, label, answer }) => ({ picture, group, label, answer })),
    before: strokes.map((one) => before(one)),
    words: words(strokes, pictures),
    pictures,
    sample: sampleShown(),
    undoes: null,
  };
  return enqueue(job, false);
}

/** The sample that is being answered, if its pictures are shown. */
function sampleShown() {
  const { sample } = state.night;
  return sample && state.view?.wanted.sample === sample ? sample : null;
}

/** Take the last step back: what had been said before is said again. */
export function undo() {
  const step = undoable.pop();
  if (!step) {
    emit("told", "There is nothing to undo.");
    return Promise.resolve(false);
  }
  const job = { ...step, items: step.before, before: step.items, words: step.words, undoes: step };
  return enqueue(job, false);
}

/** Send again what was not kept. */
export function sendAgain(job) {
  unkept.delete(job);
  return enqueue(job, false);
}

export function letGo(job) {
  unkept.delete(job);
  if (job.undoes) undoable.push(job.undoes);
  emit("said", contentsOf(job));
}

/** After a conflict: keep mine though others have spoken, or leave theirs. */
export const insist = (job) => enqueue(job, true);

function enqueue(job, insisting) {
  waiting.add(job);
  emit("saying", contentsOf(job));
  queue = queue.then(() => send(job, insisting));
  return queue;
}

async function send(job, insisting) {
  const items = job.items.map(asSaid);
  try {
    const kept = await api.say({ items, sample: job.sample, insist: insisting });
    waiting.delete(job);
    keep(job, kept);
    return true;
  } catch (refused) {
    waiting.delete(job);
    if (!(refused instanceof api.Refused)) throw refused;
    if (refused.code === 409 && refused.body?.conflicts?.length) {
      if (job.undoes && !undoable.includes(job.undoes)) undoable.push(job.undoes);
      emit("conflict", { job, conflicts: refused.body.conflicts });
    } else {
      job.error = refused.message;
      unkept.add(job);
    }
    emit("said", contentsOf(job));
    return false;
  }
}

function keep(job, kept) {
  state.night.lines = kept.lines;
  everKept.push(job);
  for (const [i, item] of job.items.entries()) known.set(question(item), kept.first + i);
  if (job.undoes) {
    const place = undoable.indexOf(job.undoes);
    if (place >= 0) undoable.splice(place, 1);
  } else undoable.push(job);
  emit("kept", job);
  emit("said", contentsOf(job));
  emit("told", job.undoes ? `Undone: ${job.words}.` : `Kept: ${job.words}.`);
}

const contentsOf = (job) => new Set(job.items.map((item) => item.picture.content));

/** The pictures for which something is being sent, or was not kept: content to words. */
export function unsettled() {
  const words = new Map();
  const add = (job, what) => {
    for (const item of job.items) words.set(item.picture.content, `${what}: ${saidWords(item)}`);
  };
  for (const job of waiting) add(job, "Keeping");
  for (const job of unkept) add(job, "Not kept");
  return words;
}

function question({ picture, group, label }) {
  return JSON.stringify([picture.content, group, groupOf(group)?.exclusive ? null : label]);
}

/** The last line about it that a picture came with, or -1. */
function lastLine(picture, { group, label }) {
  const said = groupOf(group)?.exclusive ? picture.answers?.[group] : tagSaid(picture, group, label);
  return said?.last ?? -1;
}

/** What the server is told: with the last line about it that this page can know. */
function asSaid(item) {
  const { picture, group, label, answer } = item;
  const mine = known.get(question(item)) ?? -1;
  const last = Math.max(lastLine(picture, item), mine, (picture.lines ?? 0) - 1);
  return { content: picture.content, image_id: picture.image_id, group, label, answer, last };
}

/** What persons said of a label of a group that is not exclusive, if the page knows it. */
export function tagSaid(picture, group, label) {
  return (picture.said_tags ?? []).find((one) => one.group === group && one.label === label);
}

/** What has to be said to take a stroke back. */
function before({ picture, group, label }) {
  if (!groupOf(group).exclusive) {
    const said = tagSaid(picture, group, label)?.said;
    return stroke(picture, group, label, said ?? "withdrawn");
  }
  const now = picture.answers?.[group];
  if (!now?.said) return stroke(picture, group, null, "withdrawn");
  return stroke(picture, group, now.said === "is" ? now.label : null, now.said);
}

function words(strokes, pictures) {
  const different = [...new Set(strokes.map(saidWords))];
  const what = different.length <= 2 ? different.join(", ") : count(strokes.length, "answer");
  return `${what}, ${ofPictures(pictures)}`;
}

/** Lay what was kept over a picture that is shown. */
export function apply(picture, job) {
  for (const item of job.items) {
    if (item.picture.content !== picture.content || picture.content === null) continue;
    picture.asks = picture.asks.filter((ask) => ask.group !== item.group);
    const group = groupOf(item.group);
    if (group?.exclusive) answer(picture, group, item);
    else tag(picture, item);
  }
}

/** What this page knows now: how many lines the corrections have, and how much it has kept. */
export const moment = () => ({ lines: state.night.lines, kept: everKept.length });

/** What was kept since then, in order. */
export const keptSince = ({ kept }) => everKept.slice(kept);

/**
 * Return a picture that was asked for then, with what was kept since then laid over it, but where
 * it came with that already, or with what somebody else said later.
 */
export function catchUp(came, asked) {
  const picture = { ...came, lines: asked.lines };
  const isNews = (item) => lastLine(picture, item) < (known.get(question(item)) ?? -1);
  for (const { items } of keptSince(asked)) apply(picture, { items: items.filter(isNews) });
  return picture;
}

function answer(picture, group, item) {
  const now = picture.answers[group.name];
  if (!now) return;
  const spoken = item.answer === "is" || item.answer === "none";
  now.said = item.answer === "withdrawn" ? null : item.answer;
  now.who = now.said ? state.night.who : null;
  now.label = item.answer === "is" ? item.label : item.answer === "none" ? null : now.model;
  now.score = spoken || now.model === null ? null : now.sure;
  now.proposed = item.answer === "is" && !group.labels.includes(item.label);
}

function tag(picture, item) {
  const name = `${item.group}:${item.label}`;
  const holds = item.answer === "is" || (item.answer !== "is_not" && picture.tags.includes(name));
  picture.tags = picture.tags.filter((one) => one !== name);
  if (holds) picture.tags.push(name);
  const others = (picture.said_tags ?? []).filter(
    (one) => one.group !== item.group || one.label !== item.label,
  );
  const said = item.answer === "withdrawn" ? null : item.answer;
  picture.said_tags = [
    ...others,
    { group: item.group, label: item.label, said, who: said && state.night.who, last: -1 },
  ];
}

/**
 * Confirm what pictures answer: groups about which no person has spoken yet, and labels that they
 * have. A sample asks about labels that they do not have, too: what is missing is counted there.
 */
export function confirmed(picture, labels = null) {
  const strokes = [];
  for (const [group, now] of Object.entries(picture.answers)) {
    if (now.said === "is" || now.said === "none") continue;
    strokes.push(stroke(picture, group, now.label, now.label === null ? "none" : "is"));
  }
  for (const one of labels ?? (sampleShown() ? allTags(picture) : shownTags(picture))) {
    if (one.exclusive || one.said === "is" || one.said === "is_not") continue;
    strokes.push(stroke(picture, one.group, one.label, one.holds ? "is" : "is_not"));
  }
  return strokes;
}

function shownTags(picture) {
  return picture.tags.map((name) => {
    const [group, label] = [name.slice(0, name.indexOf(":")), name.slice(name.indexOf(":") + 1)];
    return { group, label, holds: true, said: tagSaid(picture, group, label)?.said ?? null };
  });
}

/** Every label of the groups that are not exclusive, whether a picture has it or not. */
function allTags(picture) {
  const shown = shownTags(picture);
  const has = new Set(picture.tags);
  const others = otherGroups().flatMap(({ name: group, labels }) =>
    labels
      .filter((label) => !has.has(`${group}:${label}`))
      .map((label) => ({
        group,
        label,
        holds: false,
        said: tagSaid(picture, group, label)?.said ?? null,
      })),
  );
  return [...shown, ...others];
}
