// Where people were served, and where they count: activations, by the place of the office and by domicile.

import { get } from "../api.js";
import { fill, h } from "../dom.js";
import { noData, reasons, rest, shareOf, table } from "../frame.js";

const MOST = 4; // of each side
const NATION = "0";

export const served = {
  id: "served",
  size: "narrow",
  late: true,
  link: "/docs#/measures",
  shows: () => true,
  asks: (page) => page.region.code === NATION,
  load: (page) => get(`/v1/served/${page.region.code}${page.state.as_of ? `?to=${page.state.as_of}` : ""}`, page.signal),
  draw(body, answer, page, tile) {
    const { t, format } = page;
    tile.what.textContent = t("served_period", { from: format.day(answer.from), to: format.day(answer.to) });
    if (answer.total === null) return void fill(body, noData(answer, ["total"], page));
    if (!answer.total) return void fill(body, h("p", { class: "none" }, t("served_none")), unheard(answer, page));
    fill(body, side("domiciles", "elsewhere", answer, page), side("offices", "outsiders", answer, page), unheard(answer, page));
  },
  rows: (answer) => ["domiciles", "offices"].flatMap((side) =>
    answer[side].map((each) => ({ region: answer.region.code, from: answer.from, to: answer.to, side, ...each }))),
};

function side(name, part, answer, page) {
  const { t, format } = page;
  const some = answer[name].filter((each) => each.activations);
  if (!some.length) return null;
  const most = [...some].sort((a, b) => (b[part]?.numerator ?? -1) - (a[part]?.numerator ?? -1) || b.activations - a.activations);
  const rows = most.slice(0, MOST).map((each) => h("tr", {},
    h("th", { scope: "row" }, place(each.place, page)),
    h("td", { class: "number" }, each[part] ? shareOf(each[part], page)
      : [t("cannot_tell"), h("small", { class: "under" }, t("activations_n", { n: format.count(each.activations) }))])));
  return [table("served", [`served_${name}`, `served_${part}`], rows, page),
    most.slice(0, MOST).some((each) => !each[part]) ? reasons(most.slice(0, MOST).filter((each) => !each[part]).flatMap((each) => each.absent), page) : null,
    rest(most.length - MOST, page)];
}

function place({ kind, region }, page) {
  if (!region) return page.t("place_elsewhere");
  if (kind === "part") return page.region.level === "district" || page.region.level === "village"
    ? region.name : h("a", { href: page.link(region.code) }, region.name);
  return [region.name, h("small", {}, page.t(`place_${kind}`))];
}

// Of whom nothing was heard is no nought.
function unheard(answer, page) {
  const silent = answer.domiciles.filter((each) => each.activations === null).length;
  return silent ? h("p", { class: "note" }, page.t("served_unheard", { n: page.format.count(silent), d: page.format.count(answer.domiciles.length) })) : null;
}
