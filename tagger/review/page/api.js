// What the page asks of its server. Every answer is JSON; everything that goes wrong has words.

const ENDED =
  "The server does not answer: tagger review has ended, or this machine sleeps. " +
  "Start it again and use the address that it prints.";
const STALE =
  "This tab belongs to an earlier start of tagger review. Use the address that the command printed last.";

/** A request that got no good answer; its message is for people. */
export class Refused extends Error {
  constructor(words, code, body = null) {
    super(words);
    this.code = code;
    this.body = body;
  }
}

async function ask(path, body) {
  const options = { cache: "no-store", credentials: "omit", redirect: "error" };
  if (body !== undefined) {
    options.method = "POST";
    options.headers = { "Content-Type": "application/json", "X-Tagger": "review" };
    options.body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Refused(ENDED, 0);
  }
  if (response.status === 404 && !/^api\/(like|picture|sample)/.test(path)) throw new Refused(STALE, 404);
  return read(response);
}

async function read(response) {
  let answer = null;
  try {
    answer = await response.json();
  } catch {
    throw new Refused(response.status === 404 ? STALE : ENDED, response.status);
  }
  if (!response.ok) {
    const words =
      typeof answer?.error === "string" ? answer.error : `The server answered ${response.status}.`;
    throw new Refused(sentence(words), response.status, answer);
  }
  return answer;
}

function sentence(words) {
  const start = words.charAt(0).toUpperCase() + words.slice(1);
  return /[.!?]$/.test(start) ? start : `${start}.`;
}

export const getNight = () => ask("api/night");
export const openNewer = () => ask("api/night?open=newer", {});
export const find = (wanted, offset, limit) => ask("api/find", { wanted, offset, limit });
export const findIds = (wanted, most) => ask("api/ids", { wanted, most });
export const getPicture = (id) => ask(`api/picture?id=${encodeURIComponent(id)}`);
export const getLike = (id) => ask(`api/like?id=${encodeURIComponent(id)}`);
export const getSample = () => ask("api/sample");
export const say = (said) => ask("api/say", said);

/** The address of a picture, re-encoded by the server. */
export function pictureAddress(picture, side) {
  const id = encodeURIComponent(picture.image_id);
  return `picture/${encodeURIComponent(picture.content)}?id=${id}&side=${side}`;
}

/** Why a picture cannot be shown, in words. */
export async function whyNoPicture(address) {
  try {
    const response = await fetch(address, { credentials: "omit" });
    if (response.ok) return "";
    await read(response);
  } catch (refused) {
    if (refused.code === 404 && refused.body) return "The file is gone.";
    if (refused.code === 409) return "The file has changed since the night.";
    return refused.message;
  }
  return "";
}
