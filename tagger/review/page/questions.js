// The questions beside a large picture: one per group, each label with its score.

import { button, h, key, name } from "./dom.js";
import { keyOf } from "./state.js";
import { answerWord, byWhom, notKnown, percent } from "./words.js";

const FEW = 9;

/** A group of a large picture: what it answers now, the answers as buttons, every label's score. */
export function question(group, { picture, labels }, current, deeds) {
  const now = picture.answers[group.name];
  return h(
    "section",
    {
      class: current ? "question current" : "question",
      "aria-label": group.name,
      "aria-current": current ? "true" : null,
      onclick: () => deeds.ask(group.name),
    },
    h(
      "h3",
      null,
      name(group.name),
      now ? answerNow(now) : h("span", { class: "quiet" }, " several may hold"),
    ),
    buttons(group, now, current, deeds),
    bars(
      group,
      labels.filter((one) => one.group === group.name),
      now,
      (label, answer) => deeds.answer(group, label, answer),
    ),
  );
}

function answerNow(now) {
  const person = now.said === "is" || now.said === "none";
  const word = h(
    "span",
    { class: person ? "word person" : "word" },
    person ? "✓ " : null,
    name(answerWord(now)),
  );
  const by = person
    ? `${byWhom(now.who)}${now.proposed ? ", proposed" : ""}`
    : `the model, ${percent(now.sure)} sure`;
  const against = person && now.label !== now.model ? `; the model: ${now.model ?? "none"}` : "";
  const unknown = now.said === "unknown" ? `; ${notKnown(now.who)}` : "";
  return [" ", word, h("span", { class: "quiet" }, ` ${by}${against}${unknown}`)];
}

function buttons(group, now, current, deeds) {
  const make = (words, press, letter, id) =>
    button(words, press, { letter, "data-key": `${group.name} ${id}` });
  const hint = (letter) => (current ? letter : undefined);
  const row = [
    make("Right", () => deeds.right(group.name), hint("↵"), "right"),
    make(
      now ? "Another …" : "Type a label …",
      () => deeds.other(group.name),
      keyOf(group),
      "other",
    ),
  ];
  if (now) {
    row.push(make("None of these", () => deeds.answer(group, null, "none"), hint("n"), "none"));
    row.push(
      make("I do not know", () => deeds.answer(group, null, "unknown"), hint("u"), "unknown"),
    );
    if (now.said)
      row.push(make("Take back", () => deeds.answer(group, null, "withdrawn"), undefined, "back"));
  }
  return h("div", { class: "choices" }, row);
}

/** The labels of a group with their scores; the threshold is a mark on each bar. */
function bars(group, labels, now, answer) {
  const few = labels.length <= FEW;
  const sorted = few
    ? labels
    : [...labels].sort((one, other) => (other.score ?? 0) - (one.score ?? 0));
  const rows = sorted.map((one, index) => bar(group, one, few && now ? index + 1 : null, answer));
  const list = (some) => h("ul", { class: "bars" }, some);
  if (few) return list(rows);
  return [
    list(rows.slice(0, 5)),
    h(
      "details",
      null,
      h("summary", null, `All ${labels.length} labels of ${group.name}`),
      list(rows.slice(5)),
    ),
  ];
}

function bar(group, one, digit, answer) {
  const score = one.score === null ? "no score" : one.score.toFixed(2);
  const words = `${one.label}, score ${score}, holds from ${one.threshold.toFixed(2)} on${one.holds ? ", the picture has it" : ""}`;
  const meter = h("span", {
    class: "meter",
    share: one.score ?? 0,
    mark: one.threshold,
    title: `holds from ${one.threshold.toFixed(2)} on`,
  });
  const label = [
    digit ? key(digit) : h("span", { class: "digit" }),
    h("span", { class: "label" }, one.holds ? "● " : null, name(one.label)),
  ];
  if (group.exclusive) {
    const press = () => answer(one.label, "is");
    return h(
      "li",
      { class: one.holds ? "holds" : null },
      h(
        "button",
        {
          type: "button",
          class: "row",
          onclick: press,
          "aria-label": words,
          "data-key": `${group.name} bar ${one.label}`,
        },
        label,
        meter,
        h("span", { class: "score" }, score),
      ),
    );
  }
  return h(
    "li",
    { class: one.holds ? "holds tag-row" : "tag-row" },
    label,
    meter,
    h("span", { class: "score", "aria-hidden": "true" }, score),
    yesNo(group, one, answer, words),
  );
}

function yesNo(group, one, answer, words) {
  const make = (text, said) => {
    const on = one.said === said;
    const press = () => answer(one.label, on ? "withdrawn" : said);
    const by = on ? ` ${byWhom(one.who)}, press again to take it back` : "";
    return button(text, press, {
      kind: on ? "on" : null,
      "aria-pressed": String(on),
      "aria-label": `${words}: ${said === "unknown" ? "I do not know" : text}${by}`,
      "data-key": `${group.name} ${one.label} ${said}`,
    });
  };
  return h(
    "span",
    { class: "yes-no" },
    make("Yes", "is"),
    make("No", "is_not"),
    make("?", "unknown"),
  );
}
