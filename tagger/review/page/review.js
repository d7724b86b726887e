// The page: reads the night, shows what the address asks for, and says what persons answer.

import * as api from "./api.js";
import {
  answerFinding,
  chooseFor,
  confirmAll,
  readTagsAgain,
  sayOfGroups,
  selectAll,
} from "./answering.js";
import { setTrouble, showHelp, showProposals } from "./banners.js";
import { showActions } from "./actions.js";
import { byId, button, fill, h, isTyping } from "./dom.js";
import { showChips } from "./chips.js";
import { showFilters } from "./filters.js";
import * as grid from "./grid.js";
import { showLarge } from "./large.js";
import { showSample } from "./sample.js";
import { apply, catchUp, isWaiting, keptSince, moment, notKept, undo } from "./say.js";
import { emit, groupKeys, on, PAGE, state } from "./state.js";
import { address, go, readAddress, sameWanted } from "./wanted.js";
import { count, figure, nightName } from "./words.js";

const EVERY = 10_000;
/** Whether something was said on this page of the grid, so that pictures may no longer match. */
let moved = false;
let reading = 0;

async function start() {
  try {
    state.night = await api.getNight();
  } catch (refused) {
    setTrouble(refused.message);
    byId("total").textContent = "Nothing to show";
    byId("pictures").setAttribute("aria-busy", "false");
    return;
  }
  setTrouble(null);
  if (!location.hash) beginWhereAsked();
  emit("night");
  await follow();
}

/** Begin with what the command was started for. */
function beginWhereAsked() {
  const { sample, audit } = state.night;
  if (sample) history.replaceState(null, "", address({ wanted: { sample } }));
  else if (audit) history.replaceState(null, "", address({ wanted: { audit: true } }));
}

/** Show what the address asks for now. */
async function follow() {
  if (!state.night) return start();
  const old = state.view;
  state.view = readAddress();
  const same = old && sameWanted(old.wanted, state.view.wanted) && old.offset === state.view.offset;
  if (!same) {
    showFilters();
    showChips();
    showSample();
    await readPage();
  }
  await showLarge(state.view.picture);
}

/** Read a page of the grid; pictures in `seen`, which still match, are passed over. */
async function readPage({ seen = null, focus = null } = {}) {
  const mine = (reading += 1);
  const had = byId("pictures").contains(document.activeElement) ? grid.focusedPicture() : null;
  byId("pictures").setAttribute("aria-busy", "true");
  const { wanted, offset } = state.view;
  const asked = moment();
  try {
    const found = await api.find(wanted, offset, seen ? 2 * PAGE : PAGE);
    if (mine !== reading) return;
    setTrouble(null);
    const passed = seen ? found.pictures.filter((one) => seen.has(one.image_id)).length : 0;
    const left = seen ? found.pictures.filter((one) => !seen.has(one.image_id)) : found.pictures;
    if (passed) {
      state.view = { ...state.view, offset: offset + passed };
      go(state.view, { replace: true });
    }
    Object.assign(state, {
      total: found.total,
      pictures: left.slice(0, PAGE).map((one) => catchUp(one, asked)),
    });
    moved = keptSince(asked).length > 0;
    showPage();
    keptSince(asked).forEach(readTagsAgain);
    if (focus !== null) grid.focusTile(focus === "last" ? state.pictures.length - 1 : 0);
    else if (had) grid.focusPicture(had.image_id);
  } catch (refused) {
    if (mine !== reading) return;
    if (!(refused instanceof api.Refused)) throw refused;
    setTrouble(refused.message);
    byId("total").textContent = "The pictures could not be read";
  } finally {
    if (mine === reading) byId("pictures").setAttribute("aria-busy", "false");
  }
}

function showPage() {
  const { total, pictures, view } = state;
  byId("total").textContent =
    total === state.night.rows ? `All ${count(total, "picture")}` : count(total, "picture");
  showNote();
  grid.showGrid();
  showPager();
  const empty = byId("empty");
  empty.hidden = pictures.length > 0;
  if (pictures.length) return;
  if (state.night.rows === 0)
    fill(empty, h("p", null, "This night has no pictures. Tag a catalog, then come back."));
  else if (view.offset > 0 && total > 0)
    fill(
      empty,
      h("p", null, "There is nothing more here."),
      button("Go to the first page", () => go({ wanted: view.wanted })),
    );
  else
    fill(
      empty,
      h("p", null, emptyWords(view.wanted)),
      button("Show all pictures", () => go({ wanted: { answers: {}, tags: [] } })),
    );
}

function emptyWords(wanted) {
  if (wanted.said === "asked_again")
    return "Nothing asks again: no picture that a person answered has changed since.";
  if (wanted.changed && isAlone(wanted)) return "The last night changed nothing.";
  if (wanted.order === "least_sure" && isAlone(wanted))
    return "Persons have answered everything here. Well done.";
  return "No picture is like that. Take a filter away, above.";
}

const isAlone = (wanted) =>
  Object.keys(wanted.answers).length + wanted.tags.length === 0 &&
  !wanted.path &&
  !wanted.label &&
  !wanted.status &&
  !wanted.sku &&
  !wanted.disagree;

function showNote() {
  const { wanted } = state.view;
  const note = byId("note");
  note.hidden = wanted.order !== "least_sure" || Boolean(wanted.said);
  note.textContent = "Pictures that a person has answered are left out.";
}

function showPager() {
  const { total, pictures, view } = state;
  const pager = byId("pager");
  pager.hidden = pictures.length === 0 || (total <= pictures.length && view.offset === 0);
  const last = view.offset + pictures.length;
  fill(
    pager,
    button("← Earlier", () => turnPage(-1), { disabled: view.offset === 0 }),
    h("span", null, `${figure(view.offset + 1)} – ${figure(last)} of ${figure(total)}`),
    button("Later →", () => turnPage(1), { disabled: last >= total && !moved }),
  );
}

async function turnPage(by) {
  const { view, pictures, total } = state;
  if (by > 0 && moved)
    return readPage({ seen: new Set(pictures.map((one) => one.image_id)), focus: 0 });
  const offset = by > 0 ? view.offset + pictures.length : Math.max(0, view.offset - PAGE);
  if ((by > 0 && offset >= total) || (by < 0 && view.offset === 0)) return;
  state.view = { ...view, offset };
  history.pushState(null, "", address(state.view));
  window.scrollTo({ top: 0 });
  await readPage({ focus: by > 0 ? 0 : "last" });
}

const ACTIONS = {
  Enter: () => grid.focusedPicture() && emit("open", grid.focusedPicture()),
  " ": () => grid.toggle(state.pictures.indexOf(grid.focusedPicture())),
  a: grid.selectPage,
  Escape: grid.selectNone,
  n: () => sayOfGroups("none", "None of these"),
  u: () => sayOfGroups("unknown", "I do not know"),
  y: confirmAll,
  z: undo,
  "?": showHelp,
  "/": () => {
    document.body.classList.add("filtering");
    byId("path").focus();
  },
  ",": () => answerFinding("given"),
  ".": () => answerFinding("suggested"),
};

function pressed(event) {
  if (
    event.ctrlKey ||
    event.metaKey ||
    event.altKey ||
    event.defaultPrevented ||
    !state.night ||
    !state.view
  )
    return;
  if (document.querySelector("dialog[open]") || isTyping(event)) return;
  const inGrid = event.target.closest("#pictures");
  const free = inGrid || event.target === document.body;
  if (inGrid && grid.move(event)) return event.preventDefault();
  if (["Enter", " ", "Escape"].includes(event.key) && !free) return;
  const group = groupKeys().get(event.key);
  const act = group ? () => chooseFor(group.name) : ACTIONS[event.key];
  if (!act) return;
  event.preventDefault();
  act();
}

async function poll() {
  if (document.visibilityState !== "visible" || !state.night) return;
  try {
    const night = await api.getNight();
    const other = night.snapshot !== state.night.snapshot;
    state.night = night;
    setTrouble(null);
    if (other) await reread();
    else emit("night-said");
  } catch (refused) {
    setTrouble(refused.message);
  }
}

async function reread() {
  state.view = null;
  emit("night");
  await follow();
}

async function retry() {
  if (!state.night) return start();
  try {
    state.night = await api.getNight();
    setTrouble(null);
    await reread();
  } catch (refused) {
    setTrouble(refused.message);
  }
}

const products = (night) =>
  night.products === null ? "" : `, ${count(night.products, "product")}`;

function showNight() {
  const { night } = state;
  byId("night").textContent =
    `Night of ${nightName(night.snapshot)} · ${count(night.rows, "picture")}${products(night)}, ${figure(night.corrected)} answered by persons · you are ${night.who}`;
  byId("proposals-button").hidden = night.proposals.length === 0;
  byId("proposals-button").textContent = count(night.proposals.length, "proposed label");
  byId("sample-button").hidden = !night.sample;
}

async function afterKept(job) {
  moved = true;
  for (const picture of state.pictures) apply(picture, job);
  showPager();
  await readTagsAgain(job);
  await poll();
}

on("night", showNight);
on("night-said", showNight);
on("kept", afterKept);
on("saying", grid.showAgain);
on("said", grid.showAgain);
on("kept-theirs", () => readPage());
on("open", (picture) => go({ ...state.view, picture: picture.image_id }));
on("closed", (id) => grid.focusPicture(id));
on("page", turnPage);
on("choose", chooseFor);
on("help", showHelp);
on("retry", retry);
showActions({ chooseFor, sayOfGroups, confirmAll, selectAll });
byId("help-button").addEventListener("click", showHelp);
byId("proposals-button").addEventListener("click", showProposals);
byId("sample-button").addEventListener("click", () =>
  go({ wanted: { answers: {}, tags: [], sample: state.night.sample } }),
);
byId("skip").addEventListener("click", (event) => {
  event.preventDefault();
  grid.focusTile(0);
});
document.addEventListener("keydown", pressed);
document.addEventListener("visibilitychange", poll);
window.addEventListener("hashchange", follow);
window.addEventListener("popstate", follow);
window.addEventListener(
  "beforeunload",
  (event) => (notKept().length || isWaiting()) && event.preventDefault(),
);
setInterval(poll, EVERY);
start();
