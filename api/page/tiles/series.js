// Active people over time, with the target as a line. The same numbers by month stand in a table.

import { get } from "../api.js";
import { fill, h } from "../dom.js";
import { noData } from "../frame.js";

const INK = "#1d252c";
const SOFT = "#55616b";
const LINE = "#e4e8ea";
const ACCENT = "#0b5563";
const TARGET = "#9a5b00";
const HEIGHT = 260;
const FONT = "12px system-ui, sans-serif";

export const series = {
  id: "series",
  size: "wide",
  moves: true,
  link: "/docs#/coverage",
  shows: () => true,
  load(page) {
    const to = page.state.as_of ? `&to=${page.state.as_of}` : "";
    return get(`/v1/coverage/${page.region.code}/series?interval=day${to}`, page.signal);
  },
  draw(body, answer, page, tile) {
    if (!answer.points.length) return void fill(body, noData(answer, ["points"], page));
    const place = h("div", { class: "chart", role: "img", "aria-label": summary(answer, page) });
    fill(body, place, byMonth(answer, page));
    tile.drawn = chart(place, answer, page, tile);
  },
  rows: (answer) => answer.points.map((each) => ({ region: answer.region.code, ...each })),
};

function summary({ points }, page) {
  const { t, format } = page;
  const say = (each) => `${format.day(each.end)}: ${each.active === null ? t("withheld") : format.count(each.active)}`;
  return `${t("series")}. ${say(points[0])}; ${say(points.at(-1))}`;
}

// The target in people, where it is known on its own basis.
const aimed = (figures) => (figures?.missing === null || !figures ? null : figures.numerator.value + figures.missing);

async function chart(place, answer, page, tile) {
  // Without it, while the network is away, the chart waits for the next time it is drawn; the table is there.
  const module = await import("../vendor/uPlot.esm.js").catch(() => null);
  const figures = await page.whenFigures;
  if (!module || !place.isConnected) return;
  const Plot = module.default;
  const { t, format } = page;
  const aim = aimed(figures);
  const days = answer.points.map((each) => Date.parse(each.end) / 1000);
  const counts = answer.points.map((each) => each.active);
  const data = [days, counts];
  const lines = [{ value: (_, at) => (at === null ? "" : format.day(new Date(at * 1000).toISOString().slice(0, 10))), label: t("as_of") },
    { label: t("col_active"), stroke: ACCENT, width: 2, fill: "#0b556314", points: { show: false }, value: (_, v) => (v === null ? "" : format.count(v)) }];
  if (aim !== null) {
    data.push(days.map(() => aim));
    lines.push({ label: t("target_line"), stroke: TARGET, width: 1.5, dash: [6, 5], points: { show: false }, value: (_, v) => (v === null ? "" : format.count(v)) });
  }
  const axis = { stroke: SOFT, font: FONT, grid: { stroke: LINE, width: 1 }, ticks: { show: false } };
  // Without a pointer over it, the legend says the last day.
  const latest = (it) => it.setLegend({ idx: days.length - 1 }, false);
  const plot = new Plot({
    width: place.clientWidth, height: HEIGHT, series: lines, tzDate: (at) => Plot.tzDate(new Date(at * 1000), "UTC"),
    scales: { y: { range: (_, low, high) => [Math.min(low, 0), high > 0 ? high * 1.06 : 1] } },
    axes: [{ ...axis, values: (_, ticks) => ticks.map((at) => format.month(new Date(at * 1000).toISOString().slice(0, 10))), space: 90, incrs: [2_592_000, 7_776_000, 15_552_000, 31_536_000, 604_800, 86_400].sort((a, b) => a - b) },
      { ...axis, size: 64, values: (_, ticks) => ticks.map((each) => format.compact(each)) }],
    cursor: { y: false, points: { size: 7, fill: INK } },
    hooks: { ready: [latest], setSize: [latest], setCursor: [(it) => it.cursor.left < 0 && latest(it)] },
  }, data, place);
  tile.sizes?.disconnect();
  tile.plot?.destroy();
  tile.plot = plot;
  tile.sizes = new ResizeObserver(() => place.clientWidth && plot.setSize({ width: place.clientWidth, height: HEIGHT }));
  tile.sizes.observe(place);
}

function byMonth({ points }, page) {
  const { t, format } = page;
  const months = new Map();
  for (const each of points) {
    const month = each.end.slice(0, 7);
    const sum = months.get(month) ?? { start: each.start, activated: 0, deactivated: 0 };
    months.set(month, { ...sum, active: each.active, activated: sum.activated + each.activated, deactivated: sum.deactivated + each.deactivated });
  }
  const names = ["active", "activated", "deactivated"].filter((name) => points.some((each) => each[name] !== null));
  const title = (name) => t(name === "active" ? "col_active" : name);
  const rows = [...months.values()].reverse().map((sum) => h("tr", {}, h("th", { scope: "row" }, format.month(sum.start)),
    names.map((name) => h("td", { class: "number" }, sum[name] === null ? t("withheld") : format.count(sum[name])))));
  return h("details", {}, h("summary", {}, t("series_table")),
    h("div", { class: "wide-table", tabindex: "0", role: "region", "aria-label": t("series_table") },
      h("table", {}, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, t("period")), names.map((name) => h("th", { scope: "col", class: "number" }, title(name))))),
        h("tbody", {}, rows))));
}
