// Questions to the API. What goes wrong is a Problem with a title and a detail (RFC 9457), whatever it was.

const KEY = "cakupan.key";

// The key lives as long as the tab, and never in the address.
export const key = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  set: (value) => (value ? sessionStorage.setItem(KEY, value) : sessionStorage.removeItem(KEY)),
};

export class Problem extends Error {
  constructor(status, title, detail) {
    super(detail);
    Object.assign(this, { status, title, detail });
  }

  get needsKey() {
    return this.status === 401 || this.status === 403;
  }
}

export function headers(more = {}) {
  return key.get() ? { ...more, Authorization: `Bearer ${key.get()}` } : more;
}

export async function problemOf(response) {
  try {
    const body = await response.json();
    return new Problem(response.status, body.title, body.detail);
  } catch {
    return new Problem(response.status, response.statusText || String(response.status), "");
  }
}

// Raises Problem; status 0 where nothing answers.
async function ask(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, "", "");
  }
  if (!response.ok) throw await problemOf(response);
  return response;
}

const json = async (method, path, signal) =>
  (await ask(path, { method, headers: headers({ Accept: "application/json" }), signal })).json();

export const get = (path, signal) => json("GET", path, signal);
export const post = (path, signal) => json("POST", path, signal);

// What the server makes of a text.
export async function send(path, body, type) {
  return (await ask(path, { method: "POST", body, headers: headers({ "Content-Type": type }) })).blob();
}
