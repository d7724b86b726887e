// The grid of pictures: one tile each, of which one has the focus and some are selected.

import { byId, fill, h } from "./dom.js";
import { unsettled } from "./say.js";
import { facts, pending, thumbnail } from "./tile.js";
import { emit, state } from "./state.js";
import { pictureWords } from "./words.js";
import { go, ofProduct } from "./wanted.js";

const grid = byId("pictures");
const selected = new Set();
let focused = 0;
let anchor = 0;
/** What was selected beyond this page, as {image_id, content}; null: nothing is. */
let everywhere = null;

export const selection = () =>
  everywhere ?? state.pictures.filter((one) => selected.has(one.image_id));
export const isEverywhere = () => everywhere !== null;
export const focusedPicture = () => state.pictures[focused] ?? null;

/** The pictures that an answer goes to: the selected ones, else the one in focus. */
export function targets() {
  const chosen = selection();
  if (chosen.length) return chosen;
  return focusedPicture() ? [focusedPicture()] : [];
}

export function selectEverywhere(pictures) {
  everywhere = pictures;
  const there = new Set(pictures.map((one) => one.image_id));
  selected.clear();
  for (const one of state.pictures) if (there.has(one.image_id)) selected.add(one.image_id);
  showSelection();
}

export function selectNone() {
  everywhere = null;
  selected.clear();
  showSelection();
}

export function selectPage() {
  everywhere = null;
  for (const one of state.pictures) selected.add(one.image_id);
  showSelection();
}

export function toggle(index) {
  everywhere = null;
  const id = state.pictures[index]?.image_id;
  if (id === undefined) return;
  if (!selected.delete(id)) selected.add(id);
  anchor = index;
  showSelection();
}

function selectRange(to) {
  everywhere = null;
  const [first, last] = [Math.min(anchor, to), Math.max(anchor, to)];
  for (const one of state.pictures.slice(first, last + 1)) selected.add(one.image_id);
  showSelection();
}

function showSelection() {
  for (const [index, tile] of [...grid.children].entries()) {
    tile.setAttribute("aria-selected", String(selected.has(state.pictures[index]?.image_id)));
  }
  emit("selected");
}

/** Give a tile the focus; false if there is no such tile. */
export function focusTile(index, { scroll = true } = {}) {
  const tile = grid.children[index];
  if (!tile) return false;
  grid.children[focused]?.setAttribute("tabindex", "-1");
  focused = index;
  tile.setAttribute("tabindex", "0");
  tile.focus({ preventScroll: !scroll });
  emit("selected");
  return true;
}

export const focusPicture = (id) =>
  focusTile(
    Math.max(
      0,
      state.pictures.findIndex((one) => one.image_id === id),
    ),
  );

/** Go on after an answer: the next picture, where the answer was about the one in focus. */
export function goOn() {
  if (!focusTile(focused + 1)) focusTile(focused);
}

function columns() {
  const tops = [...grid.children].map((tile) => tile.offsetTop);
  const second = tops.findIndex((top) => top !== tops[0]);
  return second < 0 ? Math.max(1, tops.length) : second;
}

const MOVES = {
  ArrowRight: () => 1,
  ArrowLeft: () => -1,
  ArrowDown: columns,
  ArrowUp: () => -columns(),
  Home: () => -focused,
  End: () => state.pictures.length - 1 - focused,
};

/** Move the focus by a key; beyond the page's ends lies another page. */
export function move(event) {
  const step = MOVES[event.key]?.();
  if (step === undefined) return false;
  const to = focused + step;
  if (to >= state.pictures.length && event.key === "ArrowRight") emit("page", 1);
  else if (to < 0 && event.key === "ArrowLeft") emit("page", -1);
  else if (to >= 0 && to < state.pictures.length) {
    const from = focused;
    focusTile(to);
    if (event.shiftKey) {
      if (!selected.has(state.pictures[from].image_id)) anchor = from;
      selectRange(to);
    }
  }
  return true;
}

/** Show the pictures of this page. */
export function showGrid() {
  everywhere = null;
  selected.clear();
  focused = 0;
  anchor = 0;
  const busy = unsettled();
  fill(
    grid,
    state.pictures.map((picture, index) => tile(picture, index, busy)),
  );
  emit("selected");
}

/** Show anew the tiles of these contents, in place. */
export function showAgain(contents) {
  const busy = unsettled();
  const had = grid.contains(document.activeElement);
  for (const [index, picture] of state.pictures.entries()) {
    if (!contents.has(picture.content) || !grid.children[index]) continue;
    const old = grid.children[index];
    describe(old, picture);
    old.querySelector(".facts").replaceWith(facts(picture));
    old.querySelector(".pending").replaceWith(pending(picture, busy));
  }
  if (had && !grid.contains(document.activeElement)) focusTile(focused);
}

function describe(tile, picture) {
  tile.setAttribute("aria-label", pictureWords(picture));
}

function tile(picture, index, busy) {
  const element = h(
    "div",
    {
      role: "option",
      class: picture.status === "ok" ? "tile" : "tile failed",
      tabindex: index === focused ? "0" : "-1",
      "aria-selected": "false",
      onclick: (event) => pressed(event, index),
      ondblclick: (event) => event.target.closest(".answer, .product") || emit("open", picture),
      onfocus: () => {
        if (focused !== index) focusTile(index, { scroll: false });
      },
    },
    h(
      "div",
      { class: "frame" },
      h("span", { class: "tick", "aria-hidden": "true" }),
      thumbnail(picture),
      pending(picture, busy),
    ),
    facts(picture),
  );
  describe(element, picture);
  return element;
}

function pressed(event, index) {
  const group = event.target.closest(".answer")?.dataset.group;
  focusTile(index, { scroll: false });
  if (group !== undefined) emit("choose", group);
  else if (event.target.closest(".product")) go({ wanted: ofProduct(state.pictures[index].sku) });
  else if (event.shiftKey) selectRange(index);
  else toggle(index);
}
