// Why attempts fail, and what of it an office can fix. Attempts, not people.

import { get } from "../api.js";
import { fill, h } from "../dom.js";
import { noData, reasons, rest, shareOf, table } from "../frame.js";

const MOST = 8;

export const barriers = {
  id: "barriers",
  size: "wide",
  late: true,
  link: "/docs#/measures",
  shows: () => true,
  load: (page) => get(`/v1/barriers/${page.region.code}${page.state.as_of ? `?to=${page.state.as_of}` : ""}`, page.signal),
  draw(body, answer, page, tile) {
    const { t, format } = page;
    tile.what.textContent = t("barriers_period", { from: format.day(answer.from), to: format.day(answer.to) });
    if (answer.attempts_failed === null) return void fill(body, noData(answer, ["attempts_failed"], page));
    if (!answer.attempts_failed) return void fill(body, h("p", { class: "none" }, t("barriers_none")));
    const fix = new Map(answer.reasons.map((each) => [each.reason, each.office_can_fix]));
    const rows = answer.parts.slice(0, MOST).map((each) => row(each, fix.get(each.part) ?? "cannot_tell", page));
    fill(body, summary(answer, page), table("barriers", ["col_reason", "col_failed", "col_fixable"], rows, page, "bars"),
      rest(answer.parts.length - MOST, page));
  },
  rows: (answer) => answer.parts.map((each) => ({
    ...each, region: answer.region.code, from: answer.from, to: answer.to, by: answer.by,
    ...answer.reasons.find(({ reason }) => reason === each.part),
  })),
};

function summary({ fixable, cannot_tell: unclear, absent }, page) {
  const { t, format } = page;
  const values = { n: format.count(fixable.numerator), d: format.count(fixable.denominator) };
  const known = fixable.value !== null;
  return [
    h("p", {}, known ? t("fixable", { ...values, share: format.share(fixable.value) }) : t("fixable_unclear", values)),
    known ? null : reasons(absent, page, ({ field }) => field === "fixable.value"),
    unclear ? h("p", { class: "note" }, t("fixable_rest", { n: format.count(unclear) })) : null,
  ];
}

const row = ({ part, share }, fix, page) => h("tr", {},
  h("th", { scope: "row", class: "c-name" }, page.t(`failed_${part}`).replace(/^failed /, "")),
  h("td", { class: "c-bar" }, h("div", { class: "barred" },
    h("span", { class: "gauge", "aria-hidden": "true" }, h("span", { class: "some", width: `${share.value * 100}%` })),
    h("span", { class: "share" }, shareOf(share, page)))),
  h("td", { class: "number" }, page.t(`fix_${fix}`)));
