// Sentences of the page. Everything that is counted, answered or gone wrong is said here.

import { state, groupOf } from "./state.js";

const number = new Intl.NumberFormat("en");

export const count = (n, one, many = `${one}s`) => `${number.format(n)} ${n === 1 ? one : many}`;
export const figure = (n) => number.format(n);

/** A share as per cent; small and large ones are not rounded to nothing or everything. */
export function percent(share) {
  if (share === null || share === undefined) return "";
  if (share > 0 && share < 0.01) return "under 1 %";
  if (share > 0.99 && share < 1) return "over 99 %";
  return `${Math.round(100 * share)} %`;
}

export const who = (person) => (person === state.night.who ? "you" : (person ?? "a person"));
export const byWhom = (person) => `by ${who(person)}`;
export const notKnown = (person) =>
  who(person) === "you" ? "you do not know" : `${who(person)} does not know`;

const clock = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });

export function when(text) {
  const time = new Date(text);
  return Number.isNaN(time.getTime()) ? text : clock.format(time);
}

/** A night's name as a date. */
export function nightName(snapshot) {
  const parts = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z/.exec(snapshot);
  if (!parts) return snapshot;
  return when(`${parts[1]}-${parts[2]}-${parts[3]}T${parts[4]}:${parts[5]}:${parts[6]}Z`);
}

/** What an answer of an exclusive group is called: its label, or that none fits. */
export function answerWord(answer) {
  if (answer.label !== null) return answer.label;
  return answer.said === "none" ? "none of these" : "none";
}

/** What a correction says, in words: "color is red". */
export function saidWords({ group, label, answer }) {
  const exclusive = groupOf(group)?.exclusive ?? label === null;
  if (answer === "none") return `${group}: none of these`;
  if (answer === "unknown")
    return label && !exclusive ? `${label}: I do not know` : `${group}: I do not know`;
  if (answer === "withdrawn") return `${label && !exclusive ? label : group}: taken back`;
  if (answer === "is_not") return `${group}: not ${label}`;
  return `${group}: ${label}`;
}

/** How sure the model is, in words for a person who does not see the tile. */
function sureWords(answer) {
  if (answer.who && answer.said !== "unknown") return byWhom(answer.who);
  const sure = answer.sure === null ? "by the model" : `the model is ${percent(answer.sure)} sure`;
  return answer.said === "unknown" ? `${sure}, ${notKnown(answer.who)}` : sure;
}

/** A picture in words: what a screen reader says of a tile. */
export function pictureWords(picture) {
  const product = picture.sku === null ? "" : ` Product ${picture.sku}.`;
  if (picture.status !== "ok") return `${picture.image_id}. ${statusWords(picture)}${product}`;
  const words = Object.entries(picture.answers).map(
    ([group, answer]) =>
      `${group}: ${answerWord(answer)}${answer.proposed ? ", proposed label" : ""}, ${sureWords(answer)}`,
  );
  if (picture.tags.length) words.push(`also ${picture.tags.map(tagLabel).join(", ")}`);
  for (const ask of picture.asks) words.push(askWords(ask));
  if (picture.finding) words.push(`the audit found: ${picture.finding}`);
  return `${picture.image_id}. ${words.join(". ")}.${product}`;
}

export const tagLabel = (tag) => tag.slice(tag.indexOf(":") + 1);

const STATUSES = {
  empty: "The file is empty",
  truncated: "The file ends too early",
  unreadable: "The file is no picture that can be read",
  unsupported: "A kind of picture that is not read",
  too_large: "The picture is too large",
  denied: "The file may not be read",
  timeout: "Reading took too long",
  crashed: "Reading it broke the decoder",
};

export function statusWords(picture) {
  const words = STATUSES[picture.status] ?? picture.status;
  return picture.error ? `${words}: ${picture.error}.` : `${words}.`;
}

export function askWords(ask) {
  return `Asks again: ${who(ask.who)} said ${saidWords(ask)} of another picture that had this name`;
}

export const SAID = {
  nobody: "nobody has spoken",
  anyone: "a person has answered",
  against_model: "a person against the model",
  asked_again: "asked again",
  proposed: "a proposed label",
  unknown: "I do not know",
};

/** What is said of several pictures or of one, for a sentence. */
export function ofPictures(pictures) {
  if (pictures.length === 1) return baseName(pictures[0].image_id);
  return count(pictures.length, "picture");
}

export const baseName = (path) => path.slice(path.lastIndexOf("/") + 1) || path;

const FOUND =
  /^(.*?): given (.*?)(?:, suggested (.*?)(?: \([\d.]+\))?|, another picture like it has another label)$/s;

/** What the audit found, apart: a list of {group, given, suggested} of labels that there are. */
export function findingParts(picture) {
  const parts = [];
  for (const words of (picture.finding ?? "").split("; ")) {
    const [, name, given, suggested] = FOUND.exec(words) ?? [];
    const group = state.night.groups.find((one) => one.exclusive && one.name === name);
    const known = (label) =>
      label !== undefined && (label === "none" || group.labels.includes(label));
    if (group)
      parts.push({
        group,
        given: known(given) ? given : null,
        suggested: known(suggested) ? suggested : null,
      });
  }
  return parts;
}

/** The finding that the keys answer: the first about which no person has spoken. */
export function openFinding(picture) {
  const parts = findingParts(picture);
  return parts.find(({ group }) => !picture.answers[group.name]?.said) ?? parts[0] ?? null;
}
