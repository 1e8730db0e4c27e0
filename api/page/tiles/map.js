// The provinces where they roughly lie, coloured by coverage; no data is hatched and says so.

import { fill, h } from "../dom.js";
import { nothing } from "../frame.js";
import { GRID } from "../provinces.js";
import { askBelow, dash } from "./ranking.js";

const STEPS = 5;

export const map = {
  id: "map",
  size: "wide",
  moves: true,
  shows: (page) => page.region.level === "nation",
  load: askBelow,
  draw(body, answer, page) {
    const found = new Map(answer.items.map((each) => [each.region.code, each]));
    const known = answer.items.map((each) => each.coverage).filter((each) => each !== null);
    const bounds = fifths(known, page.format);
    const tiles = GRID.map((place) => tile(place, found.get(place[0]), bounds, page));
    fill(body, h("ul", { class: "grid", role: "list" }, tiles), legend(bounds, answer.items.some((each) => each.suppressed), page));
  },
};

// Where each fifth of the provinces begins: one far ahead does not take the colour from all others. Shares that read
// the same get one colour.
function fifths(shares, { share }) {
  const sorted = [...shares].sort((a, b) => a - b);
  const begins = [...Array(STEPS).keys()].map((each) => sorted[Math.floor((each / STEPS) * sorted.length)]);
  return begins.filter((each, index) => each !== undefined && (index === 0 || share(each) !== share(begins[index - 1])));
}

// A class of the style for each fifth; with few, the darkest ones.
const step = (index, bounds) => `step${STEPS - bounds.length + index}`;

function tile([code, short, column, row], figures, bounds, page) {
  const { t, format } = page;
  const known = figures && figures.coverage !== null;
  const value = known ? format.share(figures.coverage) : t(nothing(figures));
  const name = figures?.region.name ?? short;
  const item = h(
    "li",
    {},
    h("a", {
      href: page.link(code), class: known ? step(bounds.findLastIndex((each) => figures.coverage >= each), bounds) : figures?.suppressed ? "dotted" : "hatched",
      title: `${name}: ${value}`,
    }, h("b", {}, short, " "), known ? h("span", {}, value) : dash(page, figures)),
  );
  item.style.gridColumn = column;
  item.style.gridRow = row;
  return item;
}

function legend(bounds, withheld, page) {
  const { t, format } = page;
  const steps = bounds.map((each, index) => h("span", {}, h("i", { class: `swatch ${step(index, bounds)}` }), `\u2265 ${format.share(each)}`));
  return h("p", { class: "legend" }, steps, h("span", {}, h("i", { class: "swatch hatched" }), t("no_data")),
    withheld ? h("span", {}, h("i", { class: "swatch dotted" }), t("withheld")) : null);
}
