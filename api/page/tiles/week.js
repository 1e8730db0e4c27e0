// Activations beside the same time of last week, and which regions below lead and lag.

import { get } from "../api.js";
import { fill, h } from "../dom.js";
import { noData, reasons } from "../frame.js";
import { question } from "../state.js";

const MINUTE = 60_000;

export const week = {
  id: "week",
  size: "narrow",
  beats: true,
  link: "/docs#/measures",
  shows: () => true,
  // Its windows are whole minutes: a new answer is asked for once a minute at most.
  async load(page, tile) {
    const minute = Math.floor(Date.now() / MINUTE);
    if (tile.answer && tile.minute === minute) return tile.answer;
    const answer = await get(`/v1/live-comparison/${page.region.code}${question({ ...page.state, as_of: "" })}`, page.signal);
    tile.minute = minute;
    return answer;
  },
  draw(body, answer, page) {
    const { t } = page;
    const head = ["week_window", "week_now", "week_before"].map((name, index) => h("th", { scope: "col", class: index ? "number" : "" }, t(name)));
    fill(body, h("table", {}, h("thead", {}, h("tr", {}, head)), h("tbody", {}, answer.windows.map((each) => row(each, page)))),
      reasons(answer.absent, page, ({ field }) => field.startsWith("windows")), ranked("leaders", answer, page), ranked("laggards", answer, page));
  },
  rows: (answer) => [...answer.windows, ...answer.children],
};

function row({ window, now, week_before: before, activated }, page) {
  const { t, format } = page;
  const count = ({ total }) => (total === null ? noData({ absent: [] }, [], page) : format.count(total.activated));
  const share = activated.value === null ? null : h("small", { class: "under" }, format.share(activated.value));
  return h("tr", {}, h("th", { scope: "row" }, t(window)),
    h("td", { class: "number" }, count(now), share), h("td", { class: "number" }, count(before)));
}

function ranked(kind, answer, page) {
  const { t, format } = page;
  const codes = answer.rankings.per_thousand[kind];
  if (!codes.length) return null;
  const line = (code) => {
    const { region, per_thousand: share } = answer.children.find((each) => each.region.code === code);
    return h("tr", {}, h("th", { scope: "row" }, h("a", { href: page.link(region.code) }, region.name)),
      h("td", { class: "number" }, format.rate(share.value),
        h("small", { class: "under" }, `${format.count(share.numerator)} / ${format.count(share.denominator)}`)));
  };
  return [h("h3", { class: "sub" }, t(kind, { basis: t(`of_${answer.basis}`) })), h("table", {}, h("tbody", {}, codes.map(line)))];
}
