// The line that is always in sight: the connection, how old the data are, how far they are proved.

import { fill, h } from "./dom.js";

export class Standing {
  constructor(element) {
    this.element = element;
    this.connection = "connecting";
    this.data = null;
    this.heardAt = null;
    this.proof = null;
  }

  begin({ t, format }) {
    Object.assign(this, { t, format });
    this.draw();
  }

  connected(state) {
    if (this.connection === state) return;
    this.connection = state;
    document.documentElement.dataset.connection = state;
    this.draw();
  }

  heard(data) {
    this.data = data;
    this.heardAt = new Date();
    this.draw();
  }

  proved(answer) {
    this.proof = answer;
    this.draw();
  }

  // Only what changed is written: the line is read out when it changes.
  draw() {
    const parts = [this.#connection(), this.#age(), this.#verified(), this.#different(), this.#synthetic()].filter(Boolean);
    const text = parts.map((each) => each.outerHTML).join("");
    if (text === this.text) return;
    this.text = text;
    fill(this.element, parts);
  }

  #connection() {
    return h("span", { class: `connection ${this.connection}`, id: "connection" }, h("i", { "aria-hidden": "true" }), this.t(this.connection));
  }

  #age() {
    if (!this.data) return null;
    const { t, format } = this;
    const age = this.data.age_seconds;
    if (age === null) return h("span", {}, t("no_worker"));
    const at = new Date(this.heardAt - age * 1000);
    return h("span", { id: "age", "aria-live": "off" }, t("data_at", { at: format.moment(at) }),
      h("small", {}, ` (${t("age", { age: format.duration(age, t) })})`));
  }

  #verified() {
    if (!this.data) return null;
    const { t, format } = this;
    if (!this.data.verified_at) return h("span", { id: "verified" }, t("not_verified"));
    const left = behind(this.data);
    return h("span", { id: "verified", "aria-live": "off" }, t("verified_at", { at: format.moment(new Date(this.data.verified_at)) }),
      h("small", {}, ` (${left ? t("verified_part", { n: format.count(left) }) : t("verified_all")})`));
  }

  #different() {
    if (!this.proof?.open) return null;
    return h("a", { class: "alarm", href: "#tile-integrity" }, this.t("different", { n: this.format.count(this.proof.open) }));
  }

  #synthetic() {
    return this.data?.synthetic ? h("span", { class: "tag" }, this.t("synthetic")) : null;
  }
}

// Records that are in the answers and not compared yet, of the topics that are compared.
function behind({ position, verified_up_to: proved }) {
  let left = 0;
  for (const [topic, partitions] of Object.entries(proved)) {
    for (const [partition, offset] of Object.entries(position[topic] ?? {})) {
      left += Math.max(offset - (partitions[partition] ?? 0), 0);
    }
  }
  return left;
}
