// How far people come, from outreach to use: the five stages, and who waits.

import { get } from "../api.js";
import { fill, h } from "../dom.js";
import { noData } from "../frame.js";

export const funnel = {
  id: "funnel",
  size: "wide",
  link: "/docs#/measures",
  shows: () => true,
  load: (page) => get(`/v1/funnel/${page.region.code}${page.state.as_of ? `?to=${page.state.as_of}` : ""}`, page.signal),
  draw(body, answer, page, tile) {
    const { t, format } = page;
    tile.what.textContent = t("funnel_period", { from: format.day(answer.from), to: format.day(answer.to) });
    if (!answer.stages.length) return void fill(body, noData(answer, ["stages"], page));
    fill(body, stages(answer, page), waiting(answer, page));
  },
  rows: (answer) => answer.stages.map((each) => ({ region: answer.region.code, from: answer.from, to: answer.to, ...each })),
};

function stages(answer, page) {
  const { t, format } = page;
  const top = Math.max(...answer.stages.map((each) => each.people ?? 0), 1);
  const rows = answer.stages.map((each) => h("tr", {},
    h("th", { scope: "row", class: "c-name" }, t(`stage_${each.stage}`)),
    h("td", { class: "c-bar" }, h("div", { class: "barred" },
      h("span", { class: each.people === null ? "gauge empty" : "gauge", "aria-hidden": "true" },
        h("span", { class: each.people ? "some" : "", width: `${((each.people ?? 0) / top) * 100}%` })),
      h("span", { class: "share" }, each.people === null ? noData({ absent: [] }, [], page) : format.count(each.people)))),
    h("td", { class: "number" }, share(each.conversion, each.same_people, page)),
    h("td", { class: "number" }, each.time_spent?.median == null ? "\u2013" : format.duration(each.time_spent.median, t))));
  const head = ["col_stage", "col_people", "col_conversion", "col_time"].map((name, index) =>
    h("th", { scope: "col", class: index > 1 ? "number" : "" }, t(name)));
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `${t("funnel")}: ${t("col_stage")}` },
    h("table", { class: "bars" }, h("thead", {}, h("tr", {}, head)), h("tbody", {}, rows)));
}

// From knowledge on they are other people: outreach counts whom it met, so that share says less.
function share(conversion, same, page) {
  if (!conversion || conversion.value === null) return "\u2013";
  const { format } = page;
  return [format.share(conversion.value), h("small", { class: "under" },
    `${format.count(conversion.numerator)} / ${format.count(conversion.denominator)}${same ? "" : " *"}`)];
}

function waiting(answer, page) {
  const { t, format } = page;
  const span = (each) => (each.to_days === null ? t("waiting_over", { n: each.from_days }) : t("waiting_days", { a: each.from_days, b: each.to_days }));
  return [
    h("p", { class: "note" }, t("other_people")),
    h("h3", { class: "sub" }, t("waiting")),
    h("dl", { class: "row-list" }, answer.waiting.map((each) => h("div", {}, h("dt", {}, span(each)), h("dd", {}, format.count(each.people))))),
  ];
}
