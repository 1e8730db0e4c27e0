// What visits to villages changed, against the village's own past and villages like it without a visit.

import { get } from "../api.js";
import { fill, h } from "../dom.js";
import { noData, reasons, rest, table } from "../frame.js";

const MOST = 8;
const NATION = "0";

export const outreach = {
  id: "outreach",
  size: "wide",
  late: true,
  link: "/docs#/measures",
  shows: () => true,
  asks: (page) => page.region.code === NATION, // it reads each regency with a visit
  load: (page) => get(`/v1/outreach/${page.region.code}${page.state.as_of ? `?to=${page.state.as_of}` : ""}`, page.signal),
  draw(body, answer, page, tile) {
    const { t, format } = page;
    tile.what.textContent = t("outreach_period", { from: format.day(answer.from), to: format.day(answer.to) });
    if (answer.held === null) return void fill(body, noData(answer, ["held"], page));
    fill(body, h("p", {}, h("strong", {}, t(`verdict_${answer.verdict}`))),
      reasons(answer.absent, page, ({ field }) => field === "effect"), compared(answer, page), effect(answer, page), yields(answer, page));
  },
  rows: (answer) => answer.yields.map((each) => ({
    region: answer.region.code, from: answer.from, to: answer.to, verdict: answer.verdict, compared: answer.compared, effect: answer.effect, ...each,
  })),
};

function compared({ held, compared: n, left_out: out }, page) {
  const { t, format } = page;
  const left = Object.entries(out).filter(([, each]) => each).map(([name, each]) => `${t(`left_${name}`)} ${format.count(each)}`);
  return h("p", { class: "note" }, t("compared", { n: format.count(n), d: format.count(held) }), left.length ? `; ${t("left_out")}: ${left.join(", ")}` : "");
}

function effect({ effect: found }, page) {
  if (!found) return null;
  const { t, format } = page;
  const row = (name) => {
    const { numerator, denominator, value, low, high } = found[name];
    return h("tr", {}, h("th", { scope: "row" }, t(`effect_${name}`)),
      h("td", { class: "number" }, format.rate(value),
        h("small", { class: "under" }, t("people_visits", { n: format.rate(numerator), d: format.count(denominator) }))),
      h("td", { class: "number" }, t("from_to", { a: format.rate(low), b: format.rate(high) })));
  };
  return table("outreach", ["col_effect", "col_a_visit", "col_interval"], ["over_baseline", "controls", "effect"].map(row), page);
}

function yields({ yields: found, absent }, page) {
  if (!found.length) return null;
  const { t, format } = page;
  const row = (each) => h("tr", {}, h("th", { scope: "row" }, t(each.kind)),
    h("td", { class: "number" }, format.count(each.held)),
    h("td", { class: "number" }, format.count(each.reported)),
    h("td", { class: "number" }, each.per_staff_hour === null ? t("cannot_tell") : format.rate(each.per_staff_hour),
      h("small", { class: "under" }, `${format.count(each.activated)} / ${format.rate(each.staff_hours)} ${t("hours")}`)));
  return [table("outreach", ["col_activity", "col_held", "col_reported", "col_yield"], found.slice(0, MOST).map(row), page), rest(found.length - MOST, page),
    reasons(absent, page, ({ field }) => field.startsWith("yields."))];
}
