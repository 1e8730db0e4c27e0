// Open alerts of the region and of those within it. There is no tile where there is none.

import { get, key, post } from "../api.js";
import { fill, h } from "../dom.js";
import { rest, table } from "../frame.js";

const MOST = 8;
const ASKED = 1000; // the API gives no more at once
const NONE = { items: [], total: 0 };

export const alerts = {
  id: "alerts",
  size: "full",
  beats: true,
  link: "/docs#/measures",
  shows: () => true,
  // The tiles beside it ask for the key.
  load: (page) => get(`/v1/alerts/${page.region.code}?limit=${ASKED}`, page.signal).catch((problem) => {
    if (problem.needsKey) return NONE;
    throw problem;
  }),
  draw(body, answer, page, tile) {
    tile.element.hidden = answer.items.length === 0;
    const rows = answer.items.slice(0, MOST).map((each) => row(each, answer, page, tile));
    fill(body, table("alerts", ["col_alert", "col_name", "col_measured", "col_since", "col_state"], rows, page),
      rest(answer.total - MOST, page));
  },
  rows: (answer) => answer.items,
};

function row(each, answer, page, tile) {
  const { t, format } = page;
  return h("tr", {},
    h("th", { scope: "row", class: "named" }, t(`alert_${each.kind}`), each.subject ? h("small", {}, each.subject) : null),
    h("td", { class: "number" }, each.region.name),
    h("td", { class: "number" }, measured(each.measured, each, page),
      h("small", { class: "under" }, t("alert_threshold", { n: measured(each.threshold, each, page) }))),
    h("td", { class: "number" }, format.moment(new Date(each.since))),
    h("td", { class: "number" }, state(each, answer, page, tile)));
}

function measured(value, { unit }, { t, format }) {
  if (unit === "seconds") return format.duration(value, t);
  return unit === "chance" ? format.share(value) : t(`alert_${unit}`, { n: format.rate(value) });
}

function state(each, answer, page, tile) {
  const { t, format } = page;
  if (each.state === "acknowledged") {
    return [t("alert_seen"), h("small", { class: "under" }, `${each.acknowledged_by}, ${format.moment(new Date(each.acknowledged_at))}`)];
  }
  const said = h("small", { class: "under", role: "status" });
  const see = async () => {
    try {
      const seen = await post(`/v1/alerts/${each.alert_id}/acknowledge`, page.signal);
      tile.show({ ...answer, items: answer.items.map((one) => (one.alert_id === seen.alert_id ? seen : one)) });
    } catch (problem) {
      if (problem.status === undefined) throw problem;
      fill(said, problem.detail || t("unreachable"));
    }
  };
  const name = `${t("alert_see")}: ${t(`alert_${each.kind}`)}, ${each.region.name}`;
  return [t("alert_unseen"), key.get() ? h("button", { type: "button", "aria-label": name, onclick: see }, t("alert_see")) : null, said];
}
