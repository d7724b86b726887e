// The bar below: what an answer goes to, and the answers as buttons, for hands without a keyboard.

import { byId, button, fill, h, key, name } from "./dom.js";
import * as grid from "./grid.js";
import { isWaiting, lastStep, steps, undo } from "./say.js";
import { emit, keyOf, MOST, on, state } from "./state.js";
import { baseName, count, figure } from "./words.js";

let deeds = null;

/** Draw the bar, now and whenever what it says changes. */
export function showActions(given) {
  deeds = given;
  for (const event of ["night", "selected", "said", "saying"]) on(event, draw);
  on("told", (words) => fill(byId("status"), words));
}

function draw() {
  if (!state.night || !state.view) return;
  fill(byId("target"), target());
  fill(byId("all"), selecting());
  const had = byId("actions").contains(document.activeElement)
    ? document.activeElement.dataset.key
    : null;
  fill(byId("actions"), answers());
  showUndo();
  if (had)
    byId("actions")
      .querySelector(`[data-key="${CSS.escape(had)}"]`)
      ?.focus();
}

function target() {
  const chosen = grid.selection();
  const waiting = isWaiting() ? h("span", { class: "quiet" }, " · keeping …") : null;
  if (grid.isEverywhere())
    return [h("b", null, `${count(chosen.length, "picture")} selected`), " on all pages", waiting];
  if (chosen.length) return [h("b", null, `${count(chosen.length, "picture")} selected`), waiting];
  const one = grid.focusedPicture();
  return one
    ? ["Answers go to ", h("b", null, name(baseName(one.image_id))), waiting]
    : ["No picture here", waiting];
}

function selecting() {
  const chosen = grid.selection().length;
  const { total, pictures } = state;
  if (!pictures.length) return null;
  const buttons = [];
  if (chosen)
    buttons.push(button("Select none", grid.selectNone, { letter: "Esc", kind: "plain" }));
  if (!grid.isEverywhere() && chosen < pictures.length)
    buttons.push(button("Select this page", grid.selectPage, { letter: "a", kind: "plain" }));
  if (!grid.isEverywhere() && total > pictures.length) {
    const words =
      total > MOST
        ? `Select the first ${figure(MOST)} of ${figure(total)}`
        : `Select all ${figure(total)} that match`;
    buttons.push(button(words, deeds.selectAll, { kind: "plain" }));
  }
  return buttons;
}

function answers() {
  const off = grid.targets().length === 0;
  const make = (words, press, letter, id) =>
    button(words, press, { letter, disabled: off, "data-key": id });
  return [
    ...state.night.groups.map((group) =>
      make(
        `${group.name} …`,
        () => deeds.chooseFor(group.name),
        keyOf(group),
        `group ${group.name}`,
      ),
    ),
    make("None of these", () => deeds.sayOfGroups("none", "None of these"), "n", "none"),
    make("I do not know", () => deeds.sayOfGroups("unknown", "I do not know"), "u", "unknown"),
    make("Right as it is", deeds.confirmAll, "y", "right"),
    button("Open", () => emit("open", grid.focusedPicture()), {
      letter: "Enter",
      disabled: !grid.focusedPicture(),
      "data-key": "open",
    }),
  ];
}

function showUndo() {
  const place = byId("undo");
  const had = place.contains(document.activeElement);
  const step = lastStep();
  const more = steps() > 1 ? ` (${count(steps(), "step")})` : "";
  const words = step
    ? ["Undo ", key("z"), " ", h("bdi", null, step.words), more]
    : "Nothing to undo";
  fill(place, button(words, undo, { disabled: !step, kind: "undo" }));
  if (had) (step ? place.firstChild : byId("actions").querySelector("button"))?.focus();
}
