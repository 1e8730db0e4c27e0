// Open differences between log and tables. There is no tile where there is none: the header says how far all is proved.

import { get } from "../api.js";
import { fill, h } from "../dom.js";

export const integrity = {
  id: "integrity",
  size: "full",
  beats: true,
  link: "/docs#/integrity",
  shows: () => true,
  load: (page) => get("/v1/integrity", page.signal),
  draw(body, answer, page, tile) {
    page.proof(answer);
    tile.element.hidden = answer.differences.length === 0;
    const { t, format } = page;
    const rows = answer.differences.map((each) => h("tr", {},
      h("td", {}, each.topic), h("td", {}, t(`kind_${each.kind}`)), h("td", {}, each.region),
      h("td", {}, format.day(each.day)), h("td", { class: "number" }, format.count(each.events))));
    fill(body, h("table", {}, h("thead", {}, h("tr", {}, ["topic", "kind", "name", "day", "events"].map((name) =>
      h("th", { scope: "col", class: name === "events" ? "number" : "" }, t(`col_${name}`))))), h("tbody", {}, rows)));
  },
  rows: (answer) => answer.differences,
};
