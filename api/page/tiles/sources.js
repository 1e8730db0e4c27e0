// When each source of the region last spoke, the most silent first.

import { get } from "../api.js";
import { fill, h } from "../dom.js";

const MOST = 8;
const SILENT = 86_400;

const within = (code, region) => region === "0" || code === region || code.startsWith(`${region}.`);

export const sources = {
  id: "sources",
  size: "narrow",
  beats: true,
  link: "/docs#/freshness",
  shows: () => true,
  load: (page) => get("/v1/freshness", page.signal),
  draw(body, answer, page) {
    page.fresh(answer);
    const { t, format } = page;
    const here = sources.rows(answer, page);
    if (!here.length) return void fill(body, h("p", { class: "none" }, t("no_sources")));
    const rows = here.slice(0, MOST).map((each) => h("tr", {},
      h("th", { scope: "row", class: "named" }, each.source, h("small", {}, t("complete", { at: format.moment(new Date(each.complete_until)) }))),
      h("td", { class: each.silence_seconds > SILENT ? "number late" : "number" }, format.duration(each.silence_seconds, t))));
    fill(body, h("table", {}, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, t("source_name")),
      h("th", { scope: "col", class: "number" }, t("silent")))), h("tbody", {}, rows)));
  },
  rows: (answer, page) =>
    answer.sources
      .filter((each) => each.regions.some((code) => within(code, page.region.code)))
      .sort((a, b) => b.silence_seconds - a.silence_seconds),
};
