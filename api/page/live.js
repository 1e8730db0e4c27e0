// Server-sent events over fetch: an EventSource can send no key and does not show the signs of life between events.
// Calls on.event(name, data), on.beat() at each sign of life, and
// on.state("live" | "reconnecting" | "offline" | "not_live", problem?); not_live: it takes a key, and is not asked again.

import { headers, problemOf } from "./api.js";

const FIRST_PAUSE = 1000;
const LONGEST_PAUSE = 15_000;
const SILENCE = 40_000; // the API gives a sign of life every 15 s
const OFFLINE_AFTER = 3; // failures in a row

export function listen(path, on) {
  let ended = false;
  let failures = 0;
  let current = null;
  let wake = () => {};

  async function once() {
    const aborter = new AbortController();
    current = aborter;
    let watch = setTimeout(() => aborter.abort(), SILENCE);
    const heard = () => {
      clearTimeout(watch);
      watch = setTimeout(() => aborter.abort(), SILENCE);
    };
    try {
      const response = await fetch(path, { headers: headers({ Accept: "text/event-stream" }), signal: aborter.signal });
      if (!response.ok) throw await problemOf(response);
      failures = 0;
      on.state("live");
      await pump(response.body.getReader(), heard, on);
    } finally {
      clearTimeout(watch);
    }
  }

  async function run() {
    while (!ended) {
      let problem;
      try {
        await once();
      } catch (error) {
        problem = error.status ? error : undefined;
      }
      if (ended) return;
      failures += 1;
      if (problem?.needsKey) return on.state("not_live", problem);
      on.state(navigator.onLine && failures <= OFFLINE_AFTER ? "reconnecting" : "offline", problem);
      await pause(Math.min(FIRST_PAUSE * 2 ** (failures - 1), LONGEST_PAUSE));
    }
  }

  // Not all screens of an office at once, when the API comes back.
  const pause = (ms) =>
    new Promise((done) => {
      wake = done;
      setTimeout(done, ms * (0.75 + Math.random() / 2));
    });
  const lost = () => current?.abort();
  const back = () => wake();
  addEventListener("offline", lost);
  addEventListener("online", back);
  run();
  return () => {
    ended = true;
    current?.abort();
    removeEventListener("offline", lost);
    removeEventListener("online", back);
  };
}

async function pump(reader, heard, on) {
  const decoder = new TextDecoder();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    heard();
    const blocks = (rest + decoder.decode(value, { stream: true })).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) dispatch(block, on);
  }
}

function dispatch(block, on) {
  let name = "message";
  const data = [];
  for (const line of block.split("\n")) {
    if (line.startsWith("event:")) name = line.slice(6).trim();
    else if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
  }
  if (data.length) on.event(name, JSON.parse(data.join("\n")));
  else if (block.startsWith(":")) on.beat();
}
