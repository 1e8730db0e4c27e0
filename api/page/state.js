// What is shown stands in the address, so it can be kept, sent and gone back to.

export const BASES = ["recorded", "wajib_ktp", "holders", "population"];
const NATION = "0";

export function read() {
  const given = new URLSearchParams(location.search);
  return {
    region: given.get("region") || NATION,
    lang: given.get("lang") === "en" ? "en" : "id",
    basis: BASES.includes(given.get("basis")) ? given.get("basis") : "",
    as_of: /^\d{4}-\d{2}-\d{2}$/.test(given.get("as_of") ?? "") ? given.get("as_of") : "",
    estimate: given.get("estimate") === "true",
  };
}

export function address(state) {
  const query = new URLSearchParams();
  if (state.region !== NATION) query.set("region", state.region);
  if (state.lang !== "id") query.set("lang", state.lang);
  if (state.basis) query.set("basis", state.basis);
  if (state.as_of) query.set("as_of", state.as_of);
  if (state.estimate) query.set("estimate", "true");
  const text = query.toString();
  return text ? `/?${text}` : "/";
}

// The parameters that all questions about coverage share.
export function question(state, more = {}) {
  const query = new URLSearchParams(more);
  if (state.basis) query.set("basis", state.basis);
  if (state.as_of) query.set("as_of", state.as_of);
  if (state.estimate) query.set("estimate", "true");
  const text = query.toString();
  return text ? `?${text}` : "";
}
