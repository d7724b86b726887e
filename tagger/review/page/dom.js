// Elements, made of text alone: nothing here ever reads a string as HTML.

export function h(name, properties, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties ?? {})) set(element, key, value);
  fill(element, ...children);
  return element;
}

function set(element, key, value) {
  if (value === null || value === undefined || value === false) return;
  if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
  else if (key === "share") element.style.setProperty("--share", `${100 * value}%`);
  else if (key === "mark") element.style.setProperty("--mark", `${100 * value}%`);
  else if (key === "value") element.value = value;
  else if (key === "checked") element.checked = value;
  else element.setAttribute(key, value === true ? "" : String(value));
}

/** Put these children, text or elements, in the place of those that the element has. */
export function fill(element, ...children) {
  const wanted = children
    .flat(2)
    .filter((child) => child !== null && child !== undefined && child !== false);
  element.replaceChildren(...wanted);
}

export const byId = (id) => document.getElementById(id);

export const key = (letter) => h("kbd", { "aria-hidden": "true" }, letter);

/** A button; a key is shown beside its words. */
export function button(words, press, { letter, kind, ...more } = {}) {
  return h(
    "button",
    { type: "button", class: kind, onclick: press, ...more },
    words,
    letter ? [" ", key(letter)] : null,
  );
}

/** Whether letters typed now belong to a field rather than to the page. */
export function isTyping(event) {
  const field = event.target.closest?.("input, select, textarea");
  return Boolean(field) && field.type !== "checkbox";
}

/** A name that somebody else chose, kept apart from the sentence around it. */
export const name = (text) => h("bdi", null, text);

let dialogs = 0;

/** Open a dialog and return it; Escape closes it, and focus goes back to where it was. */
export function openDialog(
  title,
  { kind = "", closed = () => {}, modal = true } = {},
  ...children
) {
  const before = document.activeElement;
  const id = `dialog-${(dialogs += 1)}`;
  const dialog = h(
    "dialog",
    { class: kind, "aria-labelledby": id },
    h("h2", { id, tabindex: "-1" }, title),
    ...children,
  );
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (document.activeElement === document.body && before?.isConnected)
      before.focus({ preventScroll: true });
    closed();
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  document.body.append(dialog);
  if (modal) dialog.showModal();
  return dialog;
}
