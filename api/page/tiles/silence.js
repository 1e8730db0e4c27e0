// No activations, or no news: by source and region that it speaks for.

import { get } from "../api.js";
import { fill, h } from "../dom.js";
import { noData, rest, shareOf, table } from "../frame.js";

const MOST = 8;
const ASKED = 1000; // the API gives no more at once
const NATION = "0";
const STATES = ["no_news", "no_activations", "activations"];

export const silence = {
  id: "silence",
  size: "narrow",
  late: true,
  link: "/docs#/measures",
  shows: () => true,
  asks: (page) => page.region.code === NATION,
  load: (page) => get(`/v1/silence/${page.region.code}?limit=${ASKED}`, page.signal),
  draw(body, answer, page, tile) {
    const { t, format } = page;
    tile.what.textContent = t("silence_period", { from: format.day(answer.from), to: format.day(answer.to) });
    if (!answer.items.length) return void fill(body, noData(answer, ["items"], page));
    // Those that spoke and brought something need nobody's eye: they are in the count above.
    const quiet = answer.items.filter((each) => each.state !== "activations");
    const counts = STATES.map((state) => h("div", {}, h("dt", {}, t(`state_${state}`)),
      h("dd", {}, `${format.count(answer.states[state])} / ${format.count(answer.total)}`)));
    fill(body, h("dl", { class: "row-list" }, counts),
      quiet.length ? table("silence", ["source_name", "col_state", "silent"], quiet.slice(0, MOST).map((each) => row(each, page)), page) : null,
      rest(quiet.length - MOST, page));
  },
  rows: (answer) => answer.items,
};

function row(each, page) {
  const { t, format } = page;
  const gaps = each.longer_gaps;
  return h("tr", {},
    h("th", { scope: "row", class: "named" }, each.source, h("small", {}, each.counted_for.name)),
    h("td", { class: "number" }, t(`is_${each.state}`), h("small", { class: "under" }, t("covered", { n: each.covered_days, d: each.days }))),
    h("td", { class: "number" }, format.duration(each.silence_seconds, t),
      gaps ? [h("small", { class: "under" }, t("longer_gaps")), h("small", { class: "under" }, shareOf(gaps, page))]
        : h("small", { class: "under" }, t("few_gaps"))));
}
