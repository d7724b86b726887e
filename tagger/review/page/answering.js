// Answering: for the selected pictures, on other pages too, or for the one in focus.

import * as api from "./api.js";
import { confirmMany } from "./banners.js";
import * as grid from "./grid.js";
import { isOpen } from "./large.js";
import { choose, whichGroup } from "./palette.js";
import { readAll } from "./sample.js";
import { catchUp, confirmed, moment, say, stroke } from "./say.js";
import { emit, groupOf, MOST, PAGE, state } from "./state.js";
import { count, figure, openFinding } from "./words.js";

const UNREAD = "This picture could not be read, so it takes no answers.";
const isExclusive = (group) => groupOf(group).exclusive;

/** The pictures that an answer goes to, without those that could not be read. */
const answerable = () =>
  grid.targets().filter((one) => one.status === undefined || one.status === "ok");

/** Answer for the selected pictures or the one in focus; then the focus goes on. */
async function answer(strokesOf, words) {
  let pictures = answerable();
  if (!pictures.length) return emit("told", UNREAD);
  const everywhere = grid.isEverywhere();
  if (everywhere || pictures.length > PAGE) {
    const n = count(pictures.length, "picture");
    if (!(await confirmMany(`${words}: answer this for ${n}?`, `Yes, for all ${n}`))) return;
    pictures = await asTheyAre(pictures);
    if (pictures === null) return;
  }
  const alone = grid.selection().length === 0;
  const strokes = pictures.flatMap(strokesOf);
  if (!strokes.length)
    emit("told", "There is nothing to confirm: a person has answered every group.");
  const kept = say(strokes);
  if (alone && !isOpen()) grid.goOn();
  if (await kept) if (!alone) grid.selectNone();
}

/** What is said of pictures beyond this page has to be known, so that it can be undone. */
async function asTheyAre(pictures) {
  const asked = moment();
  const { wanted } = state.view;
  const tell = (n, total) =>
    emit("told", `Reading what is known of ${count(total, "picture")}: ${figure(n)} …`);
  let all;
  try {
    all = await readAll({ ...wanted, status: "ok" }, tell);
  } catch (refused) {
    emit("told", refused.message);
    return null;
  }
  const known = new Map(all.map((one) => [one.image_id, catchUp(one, asked)]));
  return pictures
    .filter((one) => known.get(one.image_id)?.content === one.content)
    .map((one) => known.get(one.image_id));
}

/** Ask for a label of a group. */
export function chooseFor(group) {
  const pictures = answerable();
  if (!pictures.length) return emit("told", UNREAD);
  let spoken = false;
  const said = async (strokes) => {
    spoken = true;
    const { label, answer: what } = strokes[0];
    if (isExclusive(group) || grid.isEverywhere())
      return answer((one) => stroke(one, group, label, what), `${group}: ${label ?? what}`);
    return say(strokes);
  };
  choose(group, pictures, said, {
    closed: () => spoken && !isExclusive(group) && !grid.selection().length && grid.goOn(),
  });
}

/** Say that none fits, or that it is not known, of a group that is asked for. */
export const sayOfGroups = (what, words) =>
  whichGroup(words, (groups) =>
    answer((one) => groups.map((group) => stroke(one, group.name, null, what)), words),
  );

/** Say that all is right as it is. */
export const confirmAll = () => answer((one) => confirmed(one), "Right as it is");

/** Answer as an audit has it: `given` or `suggested`. */
export function answerFinding(part) {
  const found = grid.targets().length === 1 ? openFinding(grid.targets()[0]) : null;
  if (!found?.[part])
    return emit("told", `The audit names no ${part} label of this picture that the model has.`);
  const label = found[part] === "none" ? null : found[part];
  return answer(
    (one) => [stroke(one, found.group.name, label, label === null ? "none" : "is")],
    found[part],
  );
}

/** Select everything that is wanted, on all pages. */
export async function selectAll() {
  emit("told", "Selecting …");
  try {
    const pairs = await api.findIds({ ...state.view.wanted, status: "ok" }, MOST);
    grid.selectEverywhere(pairs.map(([image_id, content]) => ({ image_id, content })));
    emit("told", `${count(pairs.length, "picture")} selected, those on other pages too.`);
  } catch (refused) {
    emit("told", refused.message);
  }
}

/** A picture as the server has it, with everything that was kept meanwhile. */
async function asItIs(id) {
  for (;;) {
    const { lines } = state.night;
    const { picture } = await api.getPicture(id);
    if (lines === state.night.lines) return picture;
  }
}

/** A label that is taken back or not known is the model's again: only the server knows what it said. */
export async function readTagsAgain(job) {
  const back = job.items.filter(
    (one) => !isExclusive(one.group) && (one.answer === "withdrawn" || one.answer === "unknown"),
  );
  const contents = new Set(back.map((one) => one.picture.content));
  for (const picture of state.pictures.filter((one) => contents.has(one.content))) {
    try {
      const now = await asItIs(picture.image_id);
      Object.assign(picture, { tags: now.tags, said_tags: now.said_tags });
    } catch (refused) {
      emit("told", refused.message);
    }
  }
  if (back.length) grid.showAgain(contents);
}
