// What a tile of the grid is made of: the picture, its answers, and what else has to be said.

import { pictureAddress, whyNoPicture } from "./api.js";
import { h } from "./dom.js";
import { tagSaid } from "./say.js";
import {
  answerWord,
  askWords,
  baseName,
  byWhom,
  notKnown,
  percent,
  statusWords,
  tagLabel,
  who,
} from "./words.js";

/** The picture, or why there is none to be seen. */
export function thumbnail(picture) {
  if (picture.content === null || picture.status !== "ok") {
    return h("p", { class: "no-picture" }, statusWords(picture));
  }
  const source = pictureAddress(picture, 256);
  const image = h("img", {
    src: source,
    alt: "",
    loading: "lazy",
    decoding: "async",
    draggable: "false",
  });
  image.addEventListener("load", () => image.classList.add("there"));
  image.addEventListener("error", async () => {
    const words = (await whyNoPicture(source)) || "The picture could not be shown.";
    image.replaceWith(h("p", { class: "no-picture" }, words));
  });
  return image;
}

/** What is being kept, or was not, over the picture: nothing moves when it comes and goes. */
export function pending(picture, busy) {
  const words = busy.get(picture.content) ?? "";
  return h(
    "p",
    { class: words.startsWith("Not") ? "pending bad" : "pending", hidden: words === "" },
    words,
  );
}

/** What is known of a picture, below it. */
export function facts(picture) {
  return h(
    "div",
    { class: "facts" },
    picture.status !== "ok"
      ? null
      : Object.entries(picture.answers).map(([group, answer]) => answerLine(group, answer)),
    tags(picture),
    picture.asks.map((ask) => h("p", { class: "asks" }, askWords(ask))),
    picture.finding ? finding(picture) : null,
    picture.sku === null ? null : product(picture),
    h("p", { class: "file", title: picture.image_id }, h("bdi", null, baseName(picture.image_id))),
  );
}

function finding(picture) {
  return h("p", { class: "finding" }, "Audit: ", picture.finding);
}

function product(picture) {
  return h(
    "p",
    { class: "product", title: `${picture.sku}. Click to see all pictures of this product.` },
    "Product ",
    h("bdi", null, picture.sku),
  );
}

function answerLine(group, answer) {
  const person = answer.said === "is" || answer.said === "none";
  return h(
    "p",
    {
      class: person ? "answer person" : "answer",
      "data-group": group,
      title: lineTitle(group, answer),
    },
    h("span", { class: "group" }, group),
    h(
      "span",
      { class: answer.label === null ? "word no-label" : "word" },
      person ? "✓ " : null,
      h("bdi", null, answer.label ?? "none"),
    ),
    person ? personWords(answer) : sureness(answer),
  );
}

/** What a line has no room for. */
function lineTitle(group, answer) {
  const said = answer.said === "unknown" ? `; ${notKnown(answer.who)}` : "";
  return `${group}: ${answerWord(answer)}${answer.who ? `, ${byWhom(answer.who)}` : ""}${said}. Click to change it.`;
}

const personWords = (answer) =>
  h(
    "span",
    { class: answer.proposed ? "by proposed" : "by" },
    answer.proposed ? "proposed" : who(answer.who),
  );

function sureness(answer) {
  return h(
    "span",
    { class: "sure" },
    answer.said === "unknown" ? "? not known" : percent(answer.sure),
    h("span", { class: "line", share: answer.sure ?? 0 }),
  );
}

function tags(picture) {
  if (!picture.tags.length) return null;
  const one = (name) => {
    const said = tagSaid(picture, name.slice(0, name.indexOf(":")), tagLabel(name));
    return h(
      "span",
      { class: said?.said === "is" ? "tag person" : "tag" },
      said?.said === "is" ? "✓ " : null,
      h("bdi", null, tagLabel(name)),
    );
  };
  return h("p", { class: "tags" }, picture.tags.map(one));
}
