// Coverage, attainment and what is missing: each with what it was divided by.

import { get } from "../api.js";
import { fill, h } from "../dom.js";
import { noData } from "../frame.js";
import { question } from "../state.js";

export const headline = {
  id: "headline",
  size: "full",
  moves: true,
  link: "/docs#/coverage",
  shows: () => true,
  load: (page) => get(`/v1/coverage/${page.region.code}${question(page.state)}`, page.signal),
  draw(body, answer, page) {
    fill(body, coverage(answer, page), attainment(answer, page), missing(answer, page));
    page.figures(answer);
  },
  rows: (answer) => [answer],
};

const figure = (name, title, value, ...notes) =>
  h("div", { class: `figure ${name}` }, h("h3", {}, title), h("p", { class: "value" }, value), ...notes);

function coverage(answer, page) {
  const { t, format } = page;
  const { numerator, denominator } = answer;
  const known = answer.coverage !== null;
  const count = numerator && format.count(numerator.value);
  const parts = known
    ? t("of", { n: count, d: format.count(denominator.value), basis: t(`of_${denominator.basis}`) })
    : numerator ? t("active_only") : null;
  return figure(
    "coverage",
    t("headline"),
    known ? format.share(answer.coverage) : numerator ? count : noData(answer, ["coverage"], page),
    parts && h("p", { class: "parts" }, parts),
    numerator && rounded(numerator, page),
    !known && numerator ? h("p", { class: "note" }, `${t("headline")}: `, noData(answer, ["coverage"], page)) : null,
    denominator && h("p", { class: "note" },
      t("vintage", { basis: t(denominator.basis), day: format.day(denominator.vintage) }),
      denominator.estimated ? h("span", { class: "tag" }, t("estimated")) : null),
    denominator && h("p", { class: "note" }, t("source", { text: denominator.source }),
      denominator.method ? `; ${t("method", { text: denominator.method })}` : ""),
  );
}

function rounded({ definition }, { t }) {
  const [, n] = /rounded down to a multiple of (\d+)/.exec(definition) ?? [];
  return n ? h("p", { class: "note" }, t("rounded", { n })) : null;
}

function attainment(answer, page) {
  const { t, format } = page;
  const { target, numerator } = answer;
  const known = answer.attainment !== null;
  const aim = known ? numerator.value + answer.missing : null;
  return figure(
    "attainment",
    t("attainment"),
    known ? format.share(answer.attainment) : noData(answer, ["attainment", "target"], page),
    known && h("div", { class: "meter", "aria-hidden": "true" },
      h("span", { class: answer.attainment >= 1 ? "met" : "", width: `${Math.min(answer.attainment, 1) * 100}%` })),
    known && h("p", { class: "parts" }, t("attained", { n: format.count(numerator.value), d: format.count(aim) })),
    target && h("p", { class: "note" },
      t("target", { share: format.target(target.ratio), basis: t(target.basis) }),
      target.region === answer.region.code ? null : `, ${t("target_of", { region: page.nameOf(target.region) })}`),
    target && h("p", { class: "note" }, t("source", { text: target.source })),
  );
}

function missing(answer, page) {
  const { t, format } = page;
  const over = answer.missing !== null && answer.missing < 0;
  return figure(
    "missing",
    t(over ? "beyond" : "missing"),
    answer.missing === null ? noData(answer, ["missing", "target"], page) : format.count(Math.abs(answer.missing)),
    answer.missing === null ? null : h("p", { class: "parts" }, t("people")),
  );
}
