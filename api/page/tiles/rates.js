// Events of the last minute, hour and day, drawn whenever the API pushes them.

import { fill, h } from "../dom.js";
import { noData } from "../frame.js";

export const rates = {
  id: "rates",
  size: "narrow",
  link: "/docs#/rates",
  shows: () => true,
  draw(body, answer, page) {
    if (answer.windows.every((each) => each.total === null)) return void fill(body, noData(answer, ["windows"], page));
    fill(body, h("dl", { class: "windows" }, answer.windows.map((each) => pane(each, page))), channels(answer, page));
  },
  rows: (answer) =>
    answer.windows.flatMap((each) => [
      { region: answer.region.code, at: answer.at, ...bounds(each), channel: null, ...each.total },
      ...Object.entries(each.channels).map(([channel, counts]) =>
        ({ region: answer.region.code, at: answer.at, ...bounds(each), channel, ...counts })),
    ]),
};

const bounds = ({ window, from, to }) => ({ window, from, to });

function pane({ window, total }, page) {
  const { t, format } = page;
  const side = ["registered", "failed"].map((name) => `${format.count(total[name])} ${t(name)}`).join(", ");
  return h("div", {}, h("dt", {}, t(window)),
    h("dd", {}, h("span", { class: "value" }, format.count(total.activated)), h("span", { class: "note" }, side)));
}

function channels(answer, page) {
  const { t, format } = page;
  const names = [...new Set(answer.windows.flatMap((each) => Object.keys(each.channels)))].sort();
  if (!names.length) return h("p", { class: "note" }, t("no_channels"));
  const count = (each, name) => each.channels[name]?.activated ?? 0; // the window is known, and has none of it
  const rows = names.map((name) => h("tr", {}, h("th", { scope: "row" }, t(name)),
    answer.windows.map((each) => h("td", { class: "number" }, format.count(count(each, name))))));
  return h("table", {}, h("caption", { class: "unseen" }, t("by_channel")),
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, t("channel")),
      answer.windows.map((each) => h("th", { scope: "col", class: "number" }, t(each.window))))),
    h("tbody", {}, rows));
}
