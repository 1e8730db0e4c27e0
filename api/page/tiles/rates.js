// Events of the last minute, hour and day, drawn whenever the API pushes them.

import { fill, h } from "../dom.js";
import { noData, reasons } from "../frame.js";

export const rates = {
  id: "rates",
  size: "narrow",
  link: "/docs#/rates",
  shows: () => true,
  draw(body, answer, page) {
    fill(body, h("dl", { class: "windows" }, answer.windows.map((each) => pane(each, page))), reasons(answer.absent, page, ({ field }) => field.startsWith("windows")), channels(answer, page));
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
  if (total === null) return h("div", {}, h("dt", {}, t(window)), h("dd", {}, noData({ absent: [] }, [], page)));
  const side = ["registered", "failed"].map((name) => `${format.count(total[name])} ${t(name)}`).join(", ");
  return h("div", {}, h("dt", {}, t(window)),
    h("dd", {}, h("span", { class: "value" }, format.count(total.activated)), h("span", { class: "note" }, side)));
}

function channels(answer, page) {
  const { t, format } = page;
  const names = [...new Set(answer.windows.flatMap((each) => Object.keys(each.channels)))].sort();
  const told = answer.windows.some((each) => each.total !== null);
  if (!names.length) return told ? h("p", { class: "note" }, t("no_channels")) : null;
  // A window that is known has none of it; of one without data nothing can be said.
  const count = (each, name) => (each.total === null ? noData({ absent: [] }, [], page) : format.count(each.channels[name]?.activated ?? 0));
  const rows = names.map((name) => h("tr", {}, h("th", { scope: "row" }, t(name)),
    answer.windows.map((each) => h("td", { class: "number" }, count(each, name)))));
  return h("table", {}, h("caption", { class: "unseen" }, t("by_channel")),
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, t("channel")),
      answer.windows.map((each) => h("th", { scope: "col", class: "number" }, t(each.window))))),
    h("tbody", {}, rows));
}
