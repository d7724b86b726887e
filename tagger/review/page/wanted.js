// The address and what it asks for: everything after # is a filter, so that reload and back work.

const PLAIN = ["status", "path", "label", "said", "sample", "order", "group", "sku", "disagree"];
const SHARES = { least: 0, most: 1 };

/** Read the address: {wanted, offset, picture}. */
export function readAddress(hash = location.hash) {
  const words = new URLSearchParams(hash.replace(/^#/, ""));
  const wanted = { answers: {}, tags: words.getAll("tag") };
  for (const [key, value] of words) {
    if (key.startsWith("is.")) wanted.answers[key.slice(3)] = value;
    if (key === "none") wanted.answers[value] = null;
    if (PLAIN.includes(key) && value) wanted[key] = value;
    if (key in SHARES && isShare(value)) wanted[key] = Number(value);
    if (key === "changed" || key === "audit") wanted[key] = true;
  }
  return { wanted, offset: wholeNumber(words.get("from")), picture: words.get("picture") };
}

const isShare = (text) => text !== "" && Number(text) >= 0 && Number(text) <= 1;

function wholeNumber(text) {
  const number = Math.floor(Number(text ?? 0));
  return number > 0 && number < 1e9 ? number : 0;
}

/** What asks for all pictures of a product, and for nothing else. */
export const ofProduct = (sku) => ({ answers: {}, tags: [], sku });

/** The address, from #, of a view. */
export function address({ wanted, offset = 0, picture = null }) {
  const words = new URLSearchParams();
  for (const [group, label] of Object.entries(wanted.answers ?? {})) {
    if (label === null) words.append("none", group);
    else words.append(`is.${group}`, label);
  }
  for (const tag of wanted.tags ?? []) words.append("tag", tag);
  for (const key of PLAIN) if (wanted[key]) words.append(key, wanted[key]);
  for (const [key, usual] of Object.entries(SHARES)) {
    if (wanted[key] !== undefined && wanted[key] !== usual) words.append(key, wanted[key]);
  }
  if (wanted.changed) words.append("changed", "yes");
  if (wanted.audit) words.append("audit", "yes");
  if (offset) words.append("from", offset);
  if (picture !== null) words.append("picture", picture);
  return `#${words}`;
}

/** Go to a view; `replace` leaves no step for the back button. */
export function go(view, { replace = false } = {}) {
  const to = address(view);
  if (to === (location.hash || "#")) return;
  if (replace) history.replaceState(null, "", to);
  else history.pushState(null, "", to);
  window.dispatchEvent(new Event("hashchange"));
}

export const sameWanted = (one, other) => address({ wanted: one }) === address({ wanted: other });
