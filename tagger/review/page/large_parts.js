// What is around a large picture: what asks for a look, history, copies, look-alikes.

import * as api from "./api.js";
import { button, fill, h, name } from "./dom.js";
import { state } from "./state.js";
import { go, ofProduct } from "./wanted.js";
import {
  askWords,
  count,
  findingParts,
  openFinding,
  saidWords,
  statusWords,
  when,
  who,
} from "./words.js";

/** What has to be known before answering: that it asks again, what the audit found. */
export function headline(picture, answerFinding) {
  return [
    picture.status === "ok"
      ? null
      : h("p", { class: "asks" }, statusWords(picture), " It takes no answers."),
    picture.asks.map((ask) =>
      h("p", { class: "asks" }, askWords(ask), `, on ${when(ask.at)}. What does this one show?`),
    ),
    picture.finding
      ? h(
          "div",
          { class: "finding" },
          h("p", null, "The audit found: ", name(picture.finding)),
          findingParts(picture).map((part) =>
            findingButtons(part, part.group === openFinding(picture)?.group, answerFinding),
          ),
        )
      : null,
  ];
}

function findingButtons({ group, given, suggested }, keys, answer) {
  const one = (label, what, letter) =>
    label === null
      ? null
      : button([`${group.name}: `, name(label), `, as ${what}`], () => answer(group, label), {
          letter: keys ? letter : undefined,
        });
  return h("div", { class: "choices" }, one(given, "given", ","), one(suggested, "suggested", "."));
}

/** What leads to all pictures of the picture's product, if it shows one. */
export function productButton({ sku }) {
  if (sku === null) return null;
  const words = ["All pictures of product ", name(sku)];
  return button(words, () => go({ wanted: ofProduct(sku) }), { kind: "plain", "data-key": "sku" });
}

/** What else is known of the picture. */
export function details(detail, openPicture) {
  return [
    history(detail.history),
    copies(detail, openPicture),
    file(detail.picture),
    lookAlikes(detail.picture, openPicture),
  ];
}

function history(said) {
  if (!said.length)
    return h("p", { class: "quiet" }, "No person has said anything of this picture yet.");
  const lines = [...said]
    .reverse()
    .map((one) =>
      h(
        "li",
        null,
        h("b", null, name(who(one.who))),
        " said ",
        name(saidWords(one)),
        h("span", { class: "quiet" }, ` ${when(one.at)}`),
      ),
    );
  return h("section", null, h("h3", null, "Who said what"), h("ul", { class: "history" }, lines));
}

function copies({ copies: same }, openPicture) {
  if (!same.length) return null;
  const links = same.slice(0, 20).map((id) =>
    h(
      "li",
      null,
      button(name(id), () => openPicture(id), { kind: "plain" }),
    ),
  );
  const more =
    same.length > 20
      ? h("li", { class: "quiet" }, `and ${count(same.length - 20, "other")}`)
      : null;
  return h(
    "section",
    null,
    h(
      "h3",
      null,
      same.length === 1
        ? "The same picture, under another name"
        : `The same picture, under ${same.length} other names`,
    ),
    h("p", { class: "quiet" }, "What is said of one counts for all of them."),
    h("ul", null, links, more),
  );
}

function file(picture) {
  const size = picture.width ? `${picture.width} × ${picture.height} pixels. ` : "";
  return h("p", { class: "quiet" }, size, "File: ", name(picture.image_id));
}

/** The look-alikes that are shown, so that an answer does not take them away. */
let alike = { content: null, section: null };

function lookAlikes(picture, openPicture) {
  if (!state.night.features || picture.status !== "ok") return null;
  if (alike.content !== picture.content) {
    alike = { content: picture.content, section: emptyAlikes(picture, openPicture) };
  }
  return alike.section;
}

function emptyAlikes(picture, openPicture) {
  const place = h("div", { class: "alike" });
  const look = async () => {
    fill(place, h("p", { class: "quiet" }, "Looking for them …"));
    try {
      const found = (await api.getLike(picture.image_id)).filter(
        (one) => one.image_id !== picture.image_id,
      );
      fill(
        place,
        found.length
          ? found.map((one) => thumbnail(one, openPicture))
          : h("p", { class: "quiet" }, "There are none."),
      );
    } catch (refused) {
      fill(place, h("p", { class: "quiet" }, refused.message));
    }
  };
  return h(
    "section",
    null,
    h("h3", null, "Look-alikes"),
    place,
    button("Show pictures that look like it", look, { "data-key": "alike" }),
  );
}

function thumbnail(picture, openPicture) {
  const words = Object.values(picture.answers)
    .map((one) => one.label ?? "none")
    .join(", ");
  const image = h("img", { src: api.pictureAddress(picture, 256), alt: "", loading: "lazy" });
  return h(
    "button",
    {
      type: "button",
      class: "thumbnail",
      onclick: () => openPicture(picture.image_id),
      title: picture.image_id,
      "aria-label": `${picture.image_id}: ${words}`,
    },
    image,
    h("span", null, name(words)),
  );
}
