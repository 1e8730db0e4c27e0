// The page: what the address says is asked, drawn and kept up to date by what the API pushes.

import { get } from "./api.js";
import { languages, questions } from "./choices.js";
import { byId, fill, h } from "./dom.js";
import { formats } from "./format.js";
import { Tile, trouble } from "./frame.js";
import { listen } from "./live.js";
import { translator } from "./messages.js";
import { search } from "./search.js";
import { Standing } from "./standing.js";
import { address, read } from "./state.js";
import { TILES } from "./tiles/index.js";

const PAUSE = 1000; // between two looks at figures, however fast events come

const standing = new Standing(byId("standing"));
let end = () => {};

function go(change, replace = false) {
  const state = { ...read(), ...change };
  history[replace ? "replaceState" : "pushState"](null, "", address(state));
  return show("region" in change);
}

// Shows what the address says. `moved`: it is another region, whose title gets the focus.
async function show(moved = false) {
  end();
  const aborter = new AbortController();
  let stop = () => {};
  end = () => {
    aborter.abort();
    stop();
  };
  const state = read();
  const page = pageOf(state, aborter.signal);
  chrome(page);
  try {
    page.region = await get(`/v1/regions/${encodeURIComponent(state.region)}`, aborter.signal);
  } catch (error) {
    if (aborter.signal.aborted) return;
    return refuse(error, page);
  }
  entitle(page, moved);
  const tiles = TILES.filter((kind) => kind.shows(page)).map((kind) => new Tile(kind, page));
  const sized = (size) => tiles.filter((each) => each.kind.size === size).map((each) => each.element);
  const columns = ["wide", "narrow"].map((size) => h("div", { class: "column" }, sized(size)));
  fill(byId("tiles"), sized("full"), h("div", { class: "columns" }, columns));
  stop = follow(page, tiles);
  const late = tiles.filter((each) => each.kind.late);
  await Promise.all(tiles.filter((each) => !each.kind.late).map((each) => each.load()));
  await inTurn(late, aborter.signal);
}

// What takes longer comes after what doesn't, one by one.
async function inTurn(tiles, signal) {
  for (const each of tiles) if (!signal.aborted) await each.load();
}

function pageOf(state, signal) {
  const t = translator(state.lang);
  const page = {
    state, signal, t, format: formats(state.lang),
    region: null,
    position: "",
    link: (code) => address({ ...state, region: code }),
    nameOf: (code) => [page.region, ...page.region.parents].find((each) => each.code === code)?.name ?? code,
    fresh: (answer) => standing.heard(answer.data),
    proof: (answer) => standing.proved(answer),
    reload: () => show(),
  };
  page.whenFigures = new Promise((done) => {
    page.figures = (answer) => {
      page.position = JSON.stringify(answer.data.position);
      standing.heard(answer.data);
      done(answer);
    };
    signal.addEventListener("abort", () => done(null));
  });
  return page;
}

// What does not depend on the region.
function chrome({ t, state, format }) {
  document.documentElement.lang = state.lang;
  byId("skip").textContent = t("skip");
  byId("brand").href = address({ ...state, region: "0" });
  standing.begin({ t, format });
  search(byId("search"), { t, go: (code) => go({ region: code }) });
  languages(byId("choices"), { t, state, change: (change) => go(change, true) });
  const links = [["/docs", t("docs")], ["/events", t("events")]];
  fill(byId("footer"), h("p", {}, t("foot")), h("p", {}, links.map(([href, text]) => h("a", { href }, text)),
    h("span", { class: "printed" }, t("printed", { at: format.moment(new Date(), new Date(0)) }))));
}

function entitle(page, moved) {
  const { t, region, state } = page;
  document.title = `${region.name} \u00b7 Cakupan IKD`;
  const above = [...region.parents].reverse();
  byId("path").setAttribute("aria-label", t("path"));
  fill(byId("path"), h("ol", {}, above.map((each) => h("li", {}, h("a", { href: page.link(each.code) }, each.name))),
    above.length ? h("li", { "aria-current": "page" }, region.name) : null));
  const title = h("h1", { tabindex: "-1" }, region.name);
  fill(byId("title"), h("div", {}, h("p", { class: "level" }, subtitle(page)), title),
    questions({ t, state, change: (change) => go(change) }));
  if (!moved) return;
  scrollTo(0, 0);
  title.focus({ preventScroll: true });
}

function subtitle({ t, region, state, format }) {
  const day = state.as_of && `${t("as_of").toLowerCase()} ${format.day(state.as_of)}`;
  return [t(region.level), region.code !== "0" && region.code, day].filter(Boolean).join(" \u00b7 ");
}

function refuse(problem, page) {
  const { t } = page;
  standing.connected(problem.status ? "connecting" : "offline");
  fill(byId("path"));
  fill(byId("title"), h("h1", {}, problem.status === 404 ? t("unknown_region") : "Cakupan IKD"));
  fill(byId("tiles"), h("section", { class: "tile full" }, trouble(problem, page, () => show()),
    problem.status === 404 ? h("p", {}, h("a", { href: page.link("0") }, t("to_nation"))) : null));
  if (problem.status === 0) addEventListener("online", () => show(), { once: true, signal: page.signal });
}

// Rates are drawn as they are pushed; figures are asked again when the log has moved on. Nothing is asked by the clock:
// the API's signs of life, each 15 s, are what late events and the proof are looked at by.
function follow(page, tiles) {
  const { signal } = page;
  const [rates] = tiles.filter((each) => each.kind.id === "rates");
  const moving = tiles.filter((each) => each.kind.moves);
  const watched = tiles.filter((each) => each.kind.beats);
  let asking = false;
  let again = false;
  let broken = false;
  let waiting = false;

  async function due() {
    if (waiting) return;
    waiting = true;
    await inTurn(tiles.filter((each) => each.due), signal);
    waiting = false;
  }
  async function refresh(list) {
    if (asking) return void (again = true);
    asking = true;
    await Promise.all([...list.map((each) => each.load()), new Promise((done) => setTimeout(done, PAUSE))]);
    asking = false;
    if (again && !signal.aborted) {
      again = false;
      refresh(moving);
    }
  }
  const movedOn = (data) => page.position && JSON.stringify(data.position) !== page.position;

  return listen(`/v1/rates/${page.region.code}/live`, {
    state(name, problem) {
      if (signal.aborted) return;
      standing.connected(name);
      if (problem) rates.fail(problem);
      if (name === "live" && broken) {
        refresh([...moving, ...watched]);
        due();
      }
      broken = name !== "live";
    },
    event(name, answer) {
      if (signal.aborted) return;
      if (name === "problem") return rates.fail(answer);
      if (name !== "rates") return;
      rates.show(answer);
      standing.heard(answer.data);
      if (movedOn(answer.data)) refresh(moving);
    },
    async beat() {
      due();
      await Promise.all(watched.map((each) => each.load()));
      const fresh = watched.find((each) => each.kind.id === "sources")?.answer;
      if (fresh && !signal.aborted && movedOn(fresh.data)) refresh(moving);
    },
  });
}

// Links of the page itself change what is shown and load no page.
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href]");
  const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
  if (!link || !plain || link.target || link.origin !== location.origin || link.pathname !== "/" || link.hash) return;
  event.preventDefault();
  history.pushState(null, "", link.href);
  show(true);
});
addEventListener("popstate", () => show(true));
show();
