// All villages of a region, ranked by the server, a page at a time: the nation has 83,762.

import { get } from "../api.js";
import { fill, h } from "../dom.js";
import { question } from "../state.js";
import { COLUMNS, table } from "./ranking.js";

const PAGE = 100;
const AT_ONCE = 1000; // the API gives no more at once
const SORTS = { name: "name", coverage: "coverage", active: "numerator", missing: "missing" }; // of a column, for the API

export const villages = {
  id: "villages",
  size: "wide",
  late: true,
  link: "/docs#/coverage",
  shows: (page) => ["nation", "province", "regency"].includes(page.region.level),
  asks: (page) => page.region.level === "nation",
  load(page, tile) {
    tile.sort ??= { by: "active", down: true };
    tile.from ??= 0;
    return ask(page, tile, PAGE, tile.from);
  },
  draw(body, answer, page, tile) {
    const again = (change) => {
      Object.assign(tile, change);
      return tile.load();
    };
    const shares = answer.items.some((each) => each.coverage !== null);
    const first = answer.total ? answer.offset + 1 : 0;
    const text = page.t("villages_shown", { from: page.format.count(first), to: page.format.count(answer.offset + answer.items.length), n: page.format.count(answer.total) });
    const order = { sort: tile.sort, change: (sort) => again({ sort, from: 0 }), can: (id) => id in SORTS, first };
    fill(body, table(answer.items, shares, page, order), turn(answer, page, (from) => again({ from })));
    say(tile, text);
  },
  rows: (answer, page, tile) => all(answer, page, tile),
};

const ask = (page, { sort }, limit, offset) =>
  get(`/v1/coverage/${page.region.code}/villages${question(page.state, { sort: SORTS[sort.by], order: sort.down ? "desc" : "asc", limit, offset })}`, page.signal);

// The whole list, however much of it is shown: what a table has of each.
async function all({ total }, page, tile) {
  const rows = [];
  while (rows.length < total) {
    const { items } = await ask(page, tile, AT_ONCE, rows.length);
    if (!items.length) break;
    rows.push(...items);
  }
  return rows.map((each) => ({
    code: each.region.code, name: each.region.name, as_of: each.as_of, basis: each.basis, estimated: each.denominator?.estimated ?? null,
    vintage: each.denominator?.vintage ?? null, suppressed: each.suppressed, ...Object.fromEntries(COLUMNS.slice(1).map(({ id, of }) => [id, of(each)])),
  }));
}

// Said where it is, outside of what is drawn anew, so that it is read out.
function say(tile, text) {
  tile.said ??= tile.element.insertBefore(h("p", { class: "note", role: "status" }), tile.body);
  tile.said.textContent = text;
}

function turn({ offset, total }, page, go) {
  const { t, format } = page;
  const last = Math.max(Math.ceil(total / PAGE), 1);
  const now = Math.floor(offset / PAGE) + 1;
  const to = (number) => go((Math.min(Math.max(number, 1), last) - 1) * PAGE);
  // A button that leads nowhere stays reachable: who has just used it keeps the focus.
  const button = (name, number) =>
    h("button", { type: "button", class: "quiet", "aria-disabled": String(number === now || number < 1 || number > last), onclick: () => to(number) }, t(name));
  const field = h("input", { type: "number", min: 1, max: last, value: now, "aria-label": t("page_number"), onchange: (event) => to(Number(event.target.value) || now) });
  return h("nav", { class: "turn", "aria-label": t("pages") },
    button("page_first", 1), button("page_back", now - 1),
    h("span", {}, field, " ", t("page_of", { n: format.count(last) })),
    button("page_on", now + 1), button("page_last", last));
}
