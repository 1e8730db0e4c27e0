// Where a team could go next, and the numbers that say so.

import { get } from "../api.js";
import { fill, h } from "../dom.js";
import { reasons, rest, table } from "../frame.js";

const MOST = 8;
const ASKED = 100; // for the download
const NATION = "0";

export const nextVisits = {
  id: "next_visits",
  size: "wide",
  late: true,
  link: "/docs#/measures",
  shows: (page) => page.region.level !== "village",
  asks: (page) => page.region.code === NATION,
  load(page) {
    const query = new URLSearchParams({ limit: ASKED });
    for (const name of ["as_of", "basis"]) if (page.state[name]) query.set(name, page.state[name]);
    return get(`/v1/next-visits/${page.region.code}?${query}`, page.signal);
  },
  draw(body, answer, page, tile) {
    const { t, format } = page;
    tile.what.textContent = t("next_visits_of", { day: format.day(answer.as_of), basis: t(answer.basis) });
    const rows = answer.visits.slice(0, MOST).map((each) => row(each, page));
    const head = ["col_village", "col_not_yet", "col_expected", "col_last_visit"];
    fill(body,
      rows.length ? table("next_visits", head, rows, page) : h("p", { class: "none" }, t("next_visits_none")),
      rows.length ? h("p", { class: "note" }, t("ranked_of", { n: format.count(rows.length), d: format.count(answer.ranked) })) : null,
      rest(answer.visits.length - MOST, page),
      answer.not_ranked ? h("p", { class: "note" }, t("not_ranked", { n: format.count(answer.not_ranked) })) : null,
      reasons(answer.not_ranked_first, page));
  },
  rows: (answer) => answer.visits,
};

function row({ region, kept_slot: kept, blank_spot: blank, why }, page) {
  const { t, format } = page;
  const tag = (name) => h("span", { class: "tag" }, t(name));
  const share = why.no_connectivity;
  const { denominator } = why;
  return h("tr", {},
    h("th", { scope: "row" }, h("a", { href: page.link(region.code) }, region.name), kept ? tag("kept_slot") : null,
      h("small", {}, region.code), blank ? h("small", {}, t("blank_spot", { n: format.count(share.numerator), d: format.count(share.denominator) })) : null),
    h("td", { class: "number" }, format.count(why.not_yet_active), 
      h("small", { class: "under" }, t("out_of", { d: format.count(denominator.value) })),
      why.active === null ? h("small", { class: "under" }, t("at_most")) : null, denominator.estimated ? tag("estimated") : null),
    h("td", { class: "number" }, format.rate(why.expected_per_staff_hour),
      h("small", { class: "under" }, t("expected_from", { level: t(why.expected_from).toLowerCase() }))),
    h("td", { class: "number" }, why.last_visit ? format.day(why.last_visit) : t("never_visited")));
}
