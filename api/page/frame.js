// The frame of every tile: heading, definition in a line, what it shows, downloads; skeleton, error and retry.
//
// A tile is a module with one object:
//   id            its name, and its texts' (`ID` and `ID_what` in messages.js)
//   size          "full" (above all), "wide" (left column) or "narrow" (right column)
//   shows(page)   whether it has a place on this region's page
//   load(page, tile)  asks the API; resolves to the answer. Absent where the tile is drawn from what comes live.
//   draw(body, answer, page)
//   rows(answer, page, tile)  what its downloads hold, or a promise of it; absent: no downloads
//   moves         whether it is asked again when numbers change
//   beats         whether it is asked again at the API's signs of life
//   late          whether it waits for the others, is asked again after an hour only, and leaves the key to another's form
//   asks(page)    whether it waits for somebody to ask for it: an answer that takes seconds
//   link          where its definition stands

import { key } from "./api.js";
import { h, fill } from "./dom.js";
import { csv, ndjson, parquet, save } from "./download.js";

const HOUR = 3_600_000;

export class Tile {
  constructor(kind, page) {
    this.kind = kind;
    this.page = page;
    this.answer = null;
    this.turn = 0;
    const { t } = page;
    const id = `tile-${kind.id}`;
    this.what = h("p", { class: "what" }, t(`${kind.id}_what`));
    this.body = h("div", { class: "body" });
    this.tools = h("div", { class: "tools" });
    this.element = h(
      "section",
      { class: `tile ${kind.size} ${kind.id}`, id, "aria-labelledby": `${id}-title` },
      h("div", { class: "head" }, h("h2", { id: `${id}-title` }, t(kind.id)), this.what),
      this.body,
      this.tools,
    );
    this.skeleton();
  }

  skeleton() {
    this.element.setAttribute("aria-busy", "true");
    fill(this.body, h("div", { class: "skeleton" }, h("span", { class: "unseen" }, this.page.t("loading"))));
  }

  // Asks and draws. Numbers that are there stay until newer ones come.
  async load() {
    if (!this.kind.load) return;
    if (this.kind.asks?.(this.page) && !this.wanted) return this.wait();
    const mine = (this.turn += 1);
    try {
      const answer = await this.kind.load(this.page, this);
      if (mine === this.turn) this.show(answer); // else a later one is on its way, or there
    } catch (error) {
      if (error.name === "AbortError" || this.page.signal.aborted || mine !== this.turn) return;
      if (error.status === undefined) throw error;
      this.fail(error);
    }
  }

  // Somebody has to want it first.
  wait() {
    const { t } = this.page;
    const ask = async () => {
      this.wanted = true;
      this.skeleton();
      this.element.setAttribute("tabindex", "-1");
      this.element.focus({ preventScroll: true });
      await this.load();
    };
    this.element.removeAttribute("aria-busy");
    fill(this.body, h("p", { class: "note" }, t("takes_seconds")),
      h("button", { type: "button", "aria-label": `${t("ask_now")}: ${t(this.kind.id)}`, onclick: ask }, t("ask_now")));
  }

  // Whether a late one is to be asked again: an hour has passed, or the network was away.
  get due() {
    if (!this.kind.late || this.kind.asks?.(this.page)) return false;
    return this.lost || (this.answer !== null && Date.now() - this.at > HOUR);
  }

  show(answer) {
    this.answer = answer;
    this.at = Date.now();
    this.lost = false;
    this.element.removeAttribute("aria-busy");
    const focused = this.body.contains(document.activeElement) ? document.activeElement : null;
    const open = [...this.body.querySelectorAll("details")].map((each) => each.open);
    this.kind.draw(this.body, answer, this.page, this);
    this.body.querySelectorAll("details").forEach((each, index) => (each.open = open[index] ?? each.open));
    if (focused) twin(this.body, focused)?.focus({ preventScroll: true });
    this.offer();
  }

  fail(problem) {
    // A network that is away for a moment takes no number from the wall: the header says that they stand still.
    this.lost = problem.status === 0;
    if (this.answer && this.lost) return;
    this.answer = null;
    this.element.removeAttribute("aria-busy");
    fill(this.tools);
    const asked = problem.needsKey && this.kind.late && document.querySelector("#tiles form.key");
    fill(this.body, asked ? h("p", { class: "none" }, this.page.t("key_elsewhere")) : trouble(problem, this.page, () => this.again()));
  }

  again() {
    if (!this.kind.load) return this.page.reload(); // it is drawn from the stream, which is opened anew
    this.skeleton();
    return this.load();
  }

  async download(format, type, make) {
    const { kind, page } = this;
    this.tools.querySelector("[role=alert]")?.remove();
    try {
      save(`${page.region.code}-${kind.id}.${format}`, await make(await kind.rows(this.answer, page, this)), type);
    } catch (error) {
      if (error.status === undefined) throw error;
      this.tools.append(h("span", { class: "none", role: "alert" }, error.status ? `${error.status} ${error.detail}` : page.t("unreachable")));
    }
  }

  offer() {
    const { kind, page } = this;
    const { t } = page;
    if (this.tools.childElementCount) return;
    const button = (format, type, make) =>
      h("button", {
        type: "button", class: "quiet", "aria-label": t("download", { title: t(kind.id), kind: t(format) }),
        onclick: () => this.download(format, type, make),
      }, t(format));
    fill(
      this.tools,
      kind.rows && button("csv", "text/csv;charset=utf-8", csv),
      kind.rows && button("ndjson", "application/x-ndjson", ndjson),
      kind.rows && button("parquet", "application/vnd.apache.parquet", parquet),
      kind.link && h("a", { class: "quiet", href: kind.link, "aria-label": `${t("definition")}: ${t(kind.id)}` }, t("definition")),
    );
  }
}

// Whoever is in a tile with the keyboard stays there when it is drawn anew.
function twin(body, lost) {
  const same = (each) => each.textContent === lost.textContent && each.getAttribute("href") === lost.getAttribute("href");
  return lost.dataset.sort ? body.querySelector(`[data-sort="${lost.dataset.sort}"]`) : [...body.querySelectorAll(lost.localName)].find(same);
}

export function trouble(problem, page, again) {
  const { t } = page;
  if (problem.needsKey) return keyForm(problem, page);
  const title = problem.status ? `${problem.status} ${problem.title}` : t("unreachable");
  return h(
    "div",
    { class: "trouble", role: "alert" },
    h("strong", {}, title),
    h("p", {}, problem.status ? problem.detail : t("unreachable_detail")),
    h("button", { type: "button", onclick: again }, t("retry")),
  );
}

let forms = 0;

function keyForm(problem, page) {
  const { t } = page;
  const id = `key-${(forms += 1)}`;
  const field = h("input", { id, type: "password", autocomplete: "off", required: true, spellcheck: "false" });
  const use = (event) => {
    event.preventDefault();
    key.set(field.value.trim());
    page.reload();
  };
  return h(
    "form",
    { class: "trouble key", onsubmit: use },
    h("strong", {}, t("key_needed")),
    h("p", {}, t("key_why")),
    key.get() ? h("p", { class: "detail" }, problem.detail) : null,
    h("label", { for: id }, t("key")),
    h("span", { class: "row" }, field, h("button", {}, t("key_use"))),
  );
}

// "No data" and "withheld" are different things, and neither is an empty place or 0.
export const nothing = (each) => (each?.suppressed ? "withheld" : "no_data");

// The same with why.
export function noData(answer, fields, page) {
  const found = answer.absent.find((each) => fields.includes(each.field));
  return h("span", { class: "none" }, page.t(nothing(answer)), found ? `: ${page.t.reason(found.reason, page.format.day)}` : "");
}

// A share with both its parts; where it can't be told, the parts and why.
export function shareOf(share, page, reason = "") {
  const { t, format } = page;
  if (!share) return h("span", { class: "none" }, t("no_data"));
  const parts = h("small", { class: "under" }, `${format.count(share.numerator)} / ${format.count(share.denominator)}`);
  const known = share.value !== null;
  return [known ? format.share(share.value) : h("span", { class: "none" }, t("cannot_tell")), parts,
    known || !reason ? null : h("small", { class: "under" }, t.reason(reason, format.day))];
}

// Each reason once, however many figures share it.
export const reasons = (absent, page, wanted = () => true) =>
  [...new Set(absent.filter(wanted).map(({ reason }) => reason))].map((reason) => h("p", { class: "note" }, page.t.reason(reason, page.format.day)));

export function table(name, head, rows, page, kind = "") {
  const { t } = page;
  const columns = head.map((each, index) => h("th", { scope: "col", class: index ? "number" : "" }, t(each)));
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `${t(name)}: ${t(head[0])}` },
    h("table", { class: kind }, h("thead", {}, h("tr", {}, columns)), h("tbody", {}, rows)));
}

// How many rows more the download holds.
export const rest = (n, page) => (n > 0 ? h("p", { class: "note" }, page.t("rest", { n: page.format.count(n) })) : null);
