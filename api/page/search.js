// Finds a region by name or code. The names down to districts come once, when the box is first used.

import { get } from "./api.js";
import { fill, h } from "./dom.js";

const MOST = 8;
const VILLAGE = /^\d{2}\.\d{2}\.\d{2}\.\d{4}$/;
let names;

const plain = (text) => text.normalize("NFD").replace(/[\u0300-\u036f]/g, "").toLowerCase();

async function load() {
  names ??= get("/page/regions.json").then((rows) => rows.map(([code, name, above]) => ({ code, name, above, plain: plain(name) })));
  return names.catch((error) => {
    names = undefined;
    throw error;
  });
}

async function find(text) {
  const wanted = plain(text.trim());
  if (VILLAGE.test(wanted)) {
    const found = await get(`/v1/regions/${wanted}`);
    return [{ code: found.code, name: found.name, above: found.parents[0].name }];
  }
  const all = await load();
  // What begins with it comes first, then by size of the region: a short code is a large one.
  const rank = (each) => (each.code === wanted || each.plain === wanted ? 0 : each.plain.startsWith(wanted) ? 1 : 2) * 100 + each.code.length;
  return all
    .filter((each) => each.plain.includes(wanted) || each.code.startsWith(wanted))
    .sort((a, b) => rank(a) - rank(b))
    .slice(0, MOST);
}

export function search(form, { t, go }) {
  const list = h("ul", { id: "found", role: "listbox", "aria-label": t("search"), hidden: true });
  const said = h("span", { class: "unseen", role: "status" });
  let at = -1;
  let turn = 0;

  const close = () => {
    list.hidden = true;
    at = -1;
    field.setAttribute("aria-expanded", "false");
    field.removeAttribute("aria-activedescendant");
  };
  const choose = (code) => {
    field.value = "";
    close();
    go(code);
  };
  const mark = (next) => {
    const options = [...list.querySelectorAll("[data-code]")];
    if (!options.length) return;
    at = (next + options.length) % options.length;
    options.forEach((each, index) => each.setAttribute("aria-selected", String(index === at)));
    field.setAttribute("aria-activedescendant", options[at].id);
  };
  const offer = async () => {
    const mine = (turn += 1);
    if (field.value.trim().length < 2) return close();
    const found = await find(field.value).catch(() => []);
    if (mine !== turn) return; // typed on meanwhile
    fill(list, found.length
      ? found.map((each, index) => h("li", { role: "option", id: `found-${index}`, "aria-selected": "false", "data-code": each.code,
          onmousedown: (event) => { event.preventDefault(); choose(each.code); } },
          h("b", {}, each.name), h("span", {}, `${each.above ? `${each.above}, ` : ""}${each.code}`)))
      : h("li", { role: "option", "aria-selected": "false", "aria-disabled": "true" }, t("search_none")));
    said.textContent = t(found.length ? "search_found" : "search_none", { n: found.length });
    list.hidden = false;
    field.setAttribute("aria-expanded", "true");
    at = -1;
  };
  const keys = (event) => {
    if (event.key === "ArrowDown") mark(at + 1);
    else if (event.key === "ArrowUp") mark(at - 1);
    else if (event.key === "Escape") close();
    else return;
    event.preventDefault();
  };
  const field = h("input", {
    type: "search", role: "combobox", "aria-label": t("search"), placeholder: t("search"), autocomplete: "off",
    "aria-expanded": "false", "aria-controls": "found", "aria-autocomplete": "list",
    oninput: offer, onkeydown: keys, onblur: close, onfocus: () => load().catch(() => {}),
  });
  form.onsubmit = async (event) => {
    event.preventDefault();
    const options = list.querySelectorAll("[data-code]");
    if (list.hidden || !options.length) await offer();
    const chosen = list.querySelectorAll("[data-code]")[Math.max(at, 0)];
    if (chosen) choose(chosen.dataset.code);
  };
  fill(form, field, list, said);
}
