// What a day has to bring to meet the target, what it brings, and when the target falls at that.

import { get } from "../api.js";
import { fill, h } from "../dom.js";
import { noData, reasons, shareOf } from "../frame.js";

const FIELDS = ["needed", "pace", "reached_at_pace", "reached_between", "chance", "on_deadline"];

export const pace = {
  id: "pace",
  size: "narrow",
  late: true,
  link: "/docs#/measures",
  shows: () => true,
  load(page) {
    const query = new URLSearchParams();
    if (page.state.as_of) query.set("as_of", page.state.as_of);
    if (page.state.estimate) query.set("estimate", "true");
    return get(`/v1/pace/${page.region.code}?${query}`, page.signal);
  },
  draw(body, answer, page, tile) {
    const { t, format } = page;
    tile.what.textContent = t("pace_to", { day: format.day(answer.counted_to) });
    if (!answer.needed && !answer.pace) return void fill(body, h("p", { class: "none" }, t("no_data")), why(answer, page));
    const now = line(t("pace_now"), answer.pace && perDay(answer.pace, page), page);
    const met = answer.missing !== null && answer.missing <= 0; // nothing ahead then
    if (met) return void fill(body, h("table", {}, h("tbody", {}, now)), why(answer, page));
    const day = answer.deadline && format.day(answer.deadline);
    fill(body, h("table", {}, h("tbody", {},
      line(day ? t("pace_needed", { day }) : t("pace_needed_open"), answer.needed && perDay(answer.needed, page), page),
      now,
      line(t("pace_reached"), answer.reached_at_pace && [format.day(answer.reached_at_pace), between(answer.reached_between, page)], page),
      line(t("pace_chance"), answer.chance && [shareOf(answer.chance, page), h("small", { class: "under" }, t("pace_runs"))], page))),
      why(answer, page));
  },
  rows: (answer) => [answer],
};

const line = (name, value, page) => h("tr", {}, h("th", { scope: "row" }, name),
  h("td", { class: "number" }, value ?? noData({ absent: [] }, [], page)));

function perDay({ people, days, per_day: each }, page) {
  const { t, format } = page;
  return [t("a_day", { n: format.rate(each) }), h("small", { class: "under" }, t("people_days", { n: format.count(people), d: format.count(days) }))];
}

function between(found, page) {
  const { t, format } = page;
  if (!found) return null;
  const day = (each) => (each ? format.day(each) : t("pace_never"));
  return h("small", { class: "under" }, t("pace_between"), h("br"), day(found.low), " \u2013 ", h("br"), day(found.high));
}

const why = (answer, page) => reasons(answer.absent, page, ({ field }) => FIELDS.includes(field) || (field === "deadline" && answer.target !== null));
