// A small search page: what is asked stands in `asked`, and each answer is drawn anew.

const asked = { words: "", chosen: {}, like: null };
let newest = 0;

function made(tag, text = "", facts = {}) {
  const element = document.createElement(tag);
  element.textContent = text;
  Object.assign(element, facts);
  return element;
}

function question() {
  const parameters = new URLSearchParams({ words: asked.words });
  for (const [field, values] of Object.entries(asked.chosen)) {
    for (const value of values) parameters.append(field, value);
  }
  if (asked.like) parameters.set("like", asked.like.id);
  return `api/search?${parameters}`;
}

async function ask() {
  const number = ++newest;
  const response = await fetch(question());
  const answer = await response.json();
  if (number !== newest) return; // somebody has typed on
  if (response.ok) show(answer);
  else document.getElementById("found").textContent = answer.error;
}

function show(answer) {
  document.getElementById("found").textContent = answer.found === 1 ? "1 picture" : `${answer.found} pictures`;
  document.getElementById("hits").replaceChildren(...answer.hits.map(tile));
  document.getElementById("facets").replaceChildren(...answer.facets.map(facet));
  document.getElementById("like").hidden = !asked.like;
  if (asked.like) document.getElementById("like-picture").src = asked.like.picture;
}

function tile(hit) {
  const item = made("li");
  const picture = made("img", "", { src: hit.picture, alt: hit.answers.join(" "), loading: "lazy" });
  const more = made("button", "More like this", { type: "button" });
  more.addEventListener("click", () => { asked.like = hit; ask(); });
  item.append(picture, made("p", hit.answers.join(" ") || "no answer"), more);
  return item;
}

function facet(one) {
  const box = made("fieldset");
  box.append(made("legend", one.field), ...one.values.map(({ value, count }) => choice(one.field, value, count)));
  return box;
}

function choice(field, value, count) {
  const chosen = asked.chosen[field] ?? [];
  const button = made("button", value, { type: "button", className: "choice" });
  button.setAttribute("aria-pressed", String(chosen.includes(value)));
  button.append(made("span", String(count)));
  button.addEventListener("click", () => {
    asked.chosen[field] = chosen.includes(value) ? chosen.filter((each) => each !== value) : [...chosen, value];
    ask();
  });
  return button;
}

document.getElementById("words").addEventListener("input", (event) => { asked.words = event.target.value; ask(); });
document.getElementById("asking").addEventListener("submit", (event) => { event.preventDefault(); ask(); });
document.getElementById("unlike").addEventListener("click", () => { asked.like = null; ask(); });
ask();
