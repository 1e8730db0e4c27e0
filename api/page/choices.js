// What can be chosen: denominator, day, estimates, language, printing; and the key, where one is used.

import { key } from "./api.js";
import { fill, h } from "./dom.js";
import { BASES } from "./state.js";

export function languages(element, { t, state, change }) {
  const button = (lang, name) => h("button", { type: "button", lang, "aria-pressed": String(state.lang === lang), onclick: () => change({ lang }) }, name);
  const forget = () => {
    key.set("");
    change({});
  };
  fill(element, key.get() ? h("button", { type: "button", class: "quiet", onclick: forget }, t("key_forget")) : null,
    h("div", { class: "pair", role: "group", "aria-label": t("language") }, button("id", "ID"), button("en", "EN")));
}

export function questions({ t, state, change }) {
  const options = ["", ...BASES].map((each) => h("option", { value: each, selected: state.basis === each }, each ? t(each) : t("basis_target")));
  return h("div", { class: "questions" },
    h("label", {}, h("span", {}, t("basis")), h("select", { id: "basis", onchange: (event) => change({ basis: event.target.value }) }, options)),
    h("label", {}, h("span", {}, t("as_of")), h("input", { id: "as_of", type: "date", value: state.as_of, onchange: (event) => change({ as_of: event.target.value }) })),
    h("label", { class: "tick" }, h("input", { id: "estimate", type: "checkbox", checked: state.estimate, onchange: (event) => change({ estimate: event.target.checked }) }), t("estimate")),
    h("button", { type: "button", class: "quiet", onclick: () => print() }, t("print")));
}
