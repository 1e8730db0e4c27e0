// The regions directly below, as bars that can be sorted.

import { get } from "../api.js";
import { fill, h } from "../dom.js";
import { noData, nothing } from "../frame.js";
import { question } from "../state.js";

const MOST = 1000; // the API gives no more at once, and no region has so many below it
const FIRST = 100;
const PRINTED = 18;

// The map asks the same at the same time: one request for both.
const asked = new WeakMap();
export function askBelow(page) {
  if (!asked.has(page)) {
    asked.set(page, get(`/v1/coverage/${page.region.code}/children${question(page.state, { limit: MOST })}`, page.signal));
    setTimeout(() => asked.delete(page));
  }
  return asked.get(page);
}

export const COLUMNS = [
  { id: "name", of: (each) => each.region.name },
  { id: "coverage", of: (each) => each.coverage },
  { id: "active", of: (each) => each.numerator?.value ?? null },
  { id: "denominator", of: (each) => each.denominator?.value ?? null },
  { id: "attainment", of: (each) => each.attainment },
  { id: "missing", of: (each) => each.missing },
];

export const ranking = {
  id: "ranking",
  size: "wide",
  moves: true,
  link: "/docs#/coverage",
  shows: (page) => page.region.level !== "village",
  load: askBelow,
  draw(body, answer, page, tile) {
    tile.sort ??= { by: "coverage", down: true };
    tile.most ??= FIRST;
    const shares = answer.items.some((each) => each.coverage !== null);
    tile.what.textContent = shares ? page.t("ranking_basis", { basis: page.t(answer.basis) }) : page.t("ranking_active");
    const rows = sorted(answer.items, tile.sort, shares);
    const change = (sort) => {
      tile.sort = sort;
      tile.show(tile.answer);
    };
    const order = { sort: tile.sort, change, can: () => true };
    fill(body, table(rows, shares, page, order, tile.most), rest(rows, page, tile));
  },
  rows: (answer) => answer.items,
};

// What is absent comes last, whatever the order.
function sorted(items, { by, down }, shares) {
  const column = COLUMNS.find((each) => each.id === (by === "coverage" && !shares ? "active" : by));
  const sign = down ? -1 : 1;
  return [...items].sort((a, b) => {
    const [x, y] = [column.of(a), column.of(b)];
    if (x === null || y === null) return (x === null) - (y === null) || a.region.code.localeCompare(b.region.code);
    return sign * (typeof x === "string" ? x.localeCompare(y) : x - y) || a.region.code.localeCompare(b.region.code);
  });
}

// `order`: the column that it is sorted by and whether down; what changes that; which columns it can be; and, where the rows
// are a part of a ranking, the place of the first.
export function table(rows, shares, page, order, most = Infinity) {
  const columns = shown(rows, shares);
  const head = columns.map(({ id }) => heading(id, id === columns[1].id, shares, page, order));
  const measure = shares ? (each) => each.coverage : (each) => each.numerator?.value ?? null;
  const top = Math.max(...rows.map((each) => measure(each) ?? 0), 0);
  const lines = rows.slice(0, most).map((each, index) => line(each, columns, measure(each), top, index, page, order.first));
  return h("table", { class: "bars" }, h("thead", {}, h("tr", {}, head)), h("tbody", {}, lines));
}

function heading(id, barred, shares, page, { sort, change, can }) {
  const name = page.t(`col_${id}`);
  const here = sort.by === id || (id === "active" && !shares && sort.by === "coverage");
  const button = () => h("button", { type: "button", class: "sort", "data-sort": id, onclick: () => change({ by: id, down: here ? !sort.down : id !== "name" }) }, name,
    h("span", { "aria-hidden": "true" }, here ? (sort.down ? " \u2193" : " \u2191") : ""));
  return h("th", { scope: "col", "aria-sort": can(id) ? (here ? (sort.down ? "descending" : "ascending") : "none") : null, class: barred ? "c-bar" : `c-${id}` },
    can(id) ? button() : name);
}

// The bars come second: of coverage, or of active people where nothing can be divided. What no region has has no column.
function shown(rows, shares) {
  const [name, coverage, active, ...others] = COLUMNS;
  const known = others.filter(({ of }) => rows.some((each) => of(each) !== null));
  return shares ? [name, coverage, active, ...known] : [name, active, ...known];
}

const isShare = (id) => id === "coverage" || id === "attainment";

function line(each, columns, value, top, index, page, first) {
  const { format } = page;
  const write = ({ id, of }) => (of(each) === null ? null : (isShare(id) ? format.share : format.count)(of(each)));
  const [, barred, ...others] = columns;
  const bar = h("span", { class: value === null ? "gauge empty" : "gauge", "aria-hidden": "true" },
    h("span", { class: value ? "some" : "", width: value && top ? `${(value / top) * 100}%` : "0" }));
  const text = write(barred) ?? (each.numerator ? dash(page) : noData({ ...each, absent: [] }, [], page));
  const tag = each.coverage !== null && each.denominator.estimated ? h("span", { class: "tag" }, page.t("estimated")) : null;
  return h(
    "tr",
    { class: index < PRINTED ? "" : "unprinted" },
    h("th", { scope: "row", class: "c-name" }, first ? `${format.count(first + index)}. ` : null, h("a", { href: page.link(each.region.code) }, each.region.name)),
    h("td", { class: "c-bar", title: reasonOf(each, page) }, h("div", { class: "barred" }, bar, h("span", { class: "share" }, text), tag)),
    others.map((column) => h("td", { class: `number c-${column.id}` }, write(column) ?? dash(page, each))),
  );
}

export const dash = (page, each) =>
  h("span", { class: "none" }, h("span", { "aria-hidden": "true" }, each?.suppressed ? "\u2022\u2022\u2022" : "\u2013"), h("span", { class: "unseen" }, page.t(nothing(each))));

function reasonOf(each, page) {
  const found = each.absent.find(({ field }) => field === "coverage");
  return found ? page.t.reason(found.reason, page.format.day) : undefined;
}

function rest(rows, page, tile) {
  const { t } = page;
  const more = rows.length - tile.most;
  const show = () => {
    tile.most = Infinity;
    tile.show(tile.answer);
  };
  return [
    more > 0 ? h("button", { type: "button", onclick: show }, t("more", { n: page.format.count(more) })) : null,
    rows.length > PRINTED ? h("p", { class: "printed note" }, t("print_more", { n: page.format.count(rows.length - PRINTED) })) : null,
  ];
}
