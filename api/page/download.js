// What a tile shows as a file: CSV for sheets and NDJSON for programs, made here from the answer; Parquet for programs, made
// by the server from the same rows.

import { send } from "./api.js";

const QUOTED = /[",\r\n]/;

// A leading =, +, - or @ would be run as a formula by spreadsheets; numbers may have a sign.
function cell(value) {
  if (value === null || value === undefined) return "";
  let text = typeof value === "object" ? JSON.stringify(value) : String(value);
  if (typeof value === "string" && /^[=+\-@\t]/.test(text)) text = `'${text}`;
  return QUOTED.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

// {"a": {"b": 1}} -> {"a.b": 1}; lists stay what they are.
export function flat(row, prefix = "") {
  return Object.entries(row).reduce((all, [name, value]) => {
    const nested = value !== null && typeof value === "object" && !Array.isArray(value);
    return Object.assign(all, nested ? flat(value, `${prefix}${name}.`) : { [prefix + name]: value });
  }, {});
}

export function csv(rows) {
  const flattened = rows.map((row) => flat(row));
  const names = [...new Set(flattened.flatMap(Object.keys))];
  const lines = flattened.map((row) => names.map((name) => cell(row[name])).join(","));
  return [names.join(","), ...lines].join("\r\n") + "\r\n";
}

export const ndjson = (rows) => rows.map((row) => JSON.stringify(row) + "\n").join("");

// Resolves to the file. Raises Problem.
export const parquet = (rows) => send("/page/parquet", ndjson(rows.map((row) => flat(row))), "application/x-ndjson");

export function save(name, content, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
