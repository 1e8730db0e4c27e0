// Printed figures against the record of their day.

import { get } from "../api.js";
import { fill, h } from "../dom.js";
import { noData, reasons, rest, table } from "../frame.js";

const MOST = 8;
const ASKED = 1000; // the API gives no more at once

export const claims = {
  id: "claims",
  size: "narrow",
  late: true,
  link: "/docs#/measures",
  shows: () => true,
  load: (page) => get(`/v1/claims/${page.region.code}?limit=${ASKED}`, page.signal),
  draw(body, answer, page) {
    if (!answer.items.length) return void fill(body, noData(answer, ["items"], page));
    const shown = answer.items.slice(0, MOST);
    fill(body, table("claims", ["col_printed", "col_verdict"], shown.map((each) => row(each, page)), page), rest(answer.items.length - shown.length, page));
  },
  rows: (answer) => answer.items,
};

function row(each, page) {
  const { t, format } = page;
  const meant = ({ meaning, basis }) => meaning === each.says.meaning && (!each.says.basis || basis === each.says.basis);
  const nearest = each.fits.find(meant) ?? each.fits[0] ?? each.readings[0];
  const says = [t(`says_${each.says.meaning}`), each.says.basis && t(`of_${each.says.basis}`)].filter(Boolean).join(", ");
  return h("tr", {},
    h("th", { scope: "row", class: "named" }, each.printed, h("small", {}, t("says", { text: says })),
      h("small", {}, `${each.source}, ${format.day(each.reported_on)}`)),
    h("td", {}, t(`claim_${each.verdict}`), nearest ? reading(nearest, page) : null,
      each.verdict === "cannot_tell" ? reasons(each.absent, page, ({ field }) => field === "verdict") : null));
}

function reading(each, page) {
  const { t, format } = page;
  const { denominator } = each;
  const basis = each.basis ? `, ${t(`of_${each.basis}`)}` : "";
  const aim = each.target === null ? "" : `${format.target(each.target)} \u00d7 `;
  const parts = denominator ? `${format.count(each.numerator)} / ${aim}${format.count(denominator.value)}` : "";
  const value = each.percent === null ? format.count(each.numerator) : format.share(each.percent / 100);
  return [h("small", { class: "under" }, `${t(`says_${each.meaning}`)}${basis}: ${value}`),
    parts && h("small", { class: "under" }, parts, denominator.estimated ? h("span", { class: "tag" }, t("estimated")) : null),
    each.numerator_from === "printed" ? h("small", { class: "under" }, t("from_printed")) : null];
}
