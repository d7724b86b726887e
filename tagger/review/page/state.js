// What the page knows, and who wants to hear of it when that changes.

export const PAGE = 96;
export const MOST = 20_000;

export const state = {
  /** NightNow, as the server said last. */
  night: null,
  /** What the address asks for; see wanted.js. */
  view: null,
  /** The pictures of this page of the grid. */
  pictures: [],
  total: 0,
};

const listeners = new Map();

/** Call a function whenever something of this name happens. */
export function on(name, listener) {
  listeners.set(name, [...(listeners.get(name) ?? []), listener]);
}

export function emit(name, detail) {
  for (const listener of listeners.get(name) ?? []) listener(detail);
}

export const groupOf = (name) => state.night.groups.find((group) => group.name === name);
export const exclusiveGroups = () => state.night.groups.filter((group) => group.exclusive);
export const otherGroups = () => state.night.groups.filter((group) => !group.exclusive);

const TAKEN = "nuyza?/";

/** Each group's key: the first of its letters that nothing else has. */
export function groupKeys() {
  const keys = new Map();
  const taken = new Set(TAKEN);
  for (const group of state.night.groups) {
    const letters = [..."".concat(group.name.toLowerCase(), "abcdefghijklmopqrstvwx")];
    const letter = letters.find((one) => /^[a-z]$/.test(one) && !taken.has(one));
    if (letter) {
      taken.add(letter);
      keys.set(letter, group);
    }
  }
  return keys;
}

export const keyOf = (group) => [...groupKeys()].find(([, one]) => one.name === group.name)?.[0];
