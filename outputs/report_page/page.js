"use strict";
// Lists the rows of this file, filtered by the address behind "#rows?". Texts are put in as text, never as markup.
(() => {
  const FIRST = 25;
  const STEP = 100;
  const kept = JSON.parse(document.getElementById("report-rows").textContent);
  const rows = kept.rows.map((values) => Object.fromEntries(kept.columns.map((name, place) => [name, values[place]])));
  const at = (id) => document.getElementById(id);
  const shown = { found: [], upTo: 0, said: "", of: null };
  const WORDS = {
    request: "seq in requests.jsonl", answer: "seq in responses.jsonl", custom_id: "name of the request (custom_id)",
    lane: "asked of", model: "about the model", field: "field of the question", language: "language of the question",
    level: "level in its tree", iteration: "iteration of the search", operator: "template made by", state: "how it ended",
    failure: "final failure", attempt_failure: "failed attempts", outcome: "reading the answer", reason: "why it is not ok",
    dimension: "score is of", conflict: "contradicts the facts", cost_usd: "cost, USD", maybe_billed: "attempts maybe billed",
    maybe_usd: "these cost at most, USD", latency_s: "latency, seconds", landed_at: "when the answer came", by_batch: "came by batch",
    score_min: "score, at least,", score_max: "score, at most,", score_of: "score of", scores: "scores", q: "text",
  };

  const VERBS = { q: "contains ", lane: "", model: "", score_of: "" };

  const make = (name, text, attributes = {}) => {
    const element = document.createElement(name);
    if (text !== undefined) element.textContent = text;
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  };
  const count = (number) => number.toLocaleString("en-US");
  const plain = (value) => String(value).replace(/[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g, escape);
  const body = (value) => String(value).replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g, escape);
  const escape = (character) => "\\x" + character.codePointAt(0).toString(16).padStart(2, "0");
  const read = (text) => (text === "()" ? "" : text.replace(/^\\/, ""));

  const query = () => {
    const hash = location.hash;
    if (!hash.startsWith("#rows")) return null;
    const mark = hash.indexOf("?");
    return mark < 0 ? "" : hash.slice(mark + 1);
  };

  const matches = (row, name, text) => {
    if (name === "q") return searched(row, text);
    if (name === "score_of") return score(row) !== null;
    if (name === "score_min") return score(row) !== null && score(row) >= Number(text);
    if (name === "score_max") return score(row) !== null && score(row) <= Number(text);
    if (!(name in row)) return false;
    const wanted = read(text);
    if (name === "attempt_failure" && row[name] !== null && wanted !== "") return row[name].split("\n").includes(wanted);
    const value = row[name];
    if (value === null || value === undefined) return wanted === "";
    return typeof value === "number" ? value === Number(wanted) : String(value) === wanted;
  };
  const score = (row) => (shown.of === null ? row.score : row.scores !== null && Object.hasOwn(row.scores, shown.of) ? row.scores[shown.of] : null);
  const searched = (row, text) => {
    const wanted = text.toLowerCase();
    const texts = [row.custom_id, row.reason, row.excerpt, ...row.texts.map((one) => one[1])];
    return texts.some((one) => typeof one === "string" && one.toLowerCase().includes(wanted));
  };

  const list = () => {
    const address = query();
    if (address === null) return;
    const wanted = [...new URLSearchParams(address)];
    const search = at("rows-search").value;
    const of = wanted.find(([name]) => name === "score_of");
    shown.of = of === undefined ? null : read(of[1]);
    shown.found = rows.filter((row) => wanted.every(([name, text]) => matches(row, name, text)) && (search === "" || searched(row, search)));
    shown.upTo = FIRST;
    chips(wanted);
    say(address, wanted.length > 0, search);
    fill();
  };
  const chips = (wanted) => {
    const place = at("rows-filters");
    place.replaceChildren();
    wanted.forEach(([name, text], number) => {
      const others = new URLSearchParams(wanted.filter((_, one) => one !== number)).toString();
      const label = plain(`${WORDS[name] ?? name} ${VERBS[name] ?? "is "}${read(text) || "(none)"}`);
      const button = make("button", `${label} ✕`, { type: "button", "aria-label": `Remove the filter: ${label}` });
      button.addEventListener("click", () => { location.hash = others ? `#rows?${others}` : "#rows"; });
      place.append(button);
    });
  };
  const say = (address, filtered, search) => {
    const total = Object.hasOwn(kept.totals, address) ? kept.totals[address] : filtered ? null : kept.total;
    const here = count(shown.found.length);
    if (search !== "") shown.said = `${here} of the rows in this file match.`;
    else if (total === null) shown.said = `${here} rows of this selection are in this file, of a sample of ${count(rows.length)} of ${count(kept.total)}.`;
    else shown.said = `${here} of ${count(total)} rows are in this file${shown.found.length < total ? `; all: ${kept.command}` : ""}.`;
    at("rows-said").textContent = shown.said;
  };
  const fill = () => {
    const lines = shown.found.slice(0, shown.upTo).map(line);
    at("rows-list").replaceChildren(...lines);
    at("rows-more").hidden = shown.found.length <= shown.upTo;
  };
  const stands = (text) => (text.length <= 60 && !/\s/.test(text) ? "s" : text.length > 60 ? "t" : "");
  const cell = (text) => make("td", text, { dir: "auto", class: stands(text) });
  const differs = (row) => row.lane !== null && row.model !== null && row.lane !== row.model;
  const apart = rows.some(differs);
  const line = (row) => {
    const made = make("tr");
    const head = make("th", undefined, { scope: "row", class: stands(plain(row.custom_id)) });
    const button = make("button", plain(row.custom_id), { type: "button", class: "link", dir: "auto" });
    button.addEventListener("click", () => open(row));
    head.append(button);
    const state = [row.state, row.failure, row.outcome].filter(Boolean).join(", ");
    made.append(head, ...[state, ...(apart ? [row.model, row.lane] : [row.model ?? row.lane]), row.stage].map((text) => cell(plain(text ?? ""))));
    made.append(make("td", score(row) === null ? "" : score(row).toLocaleString("en-US", { maximumFractionDigits: 3 }), { class: "n" }));
    made.append(cell(plain((row.excerpt ?? "").replace(/\s+/g, " "))));
    return made;
  };

  const open = (row) => {
    at("row-title").textContent = plain(row.custom_id);
    const facts = kept.columns.filter((name) => name !== "texts" && name !== "excerpt" && row[name] !== null);
    at("row-facts").replaceChildren(...facts.map((name) => fact(name, row[name])));
    at("row-texts").replaceChildren(...row.texts.flatMap(([title, text]) => [make("h4", plain(title)), make("pre", body(text), { dir: "auto", tabindex: "0" })]));
    at("row").hidden = false;
    at("row").focus();
    at("row").scrollIntoView({ block: "start" });
  };
  const fact = (name, value) => {
    const made = make("tr");
    const told = name === "dimension" ? value.replaceAll("_", " ") : name === "scores" ? scores(value) : name === "attempt_failure" ? value.split("\n").join(", ") : value;
    made.append(make("th", WORDS[name] ?? name, { scope: "row" }), make("td", plain(told), { dir: "auto" }));
    return made;
  };

  const scores = (value) => Object.entries(value).map(([of, one]) => `${of.replaceAll("_", " ")} ${one.toLocaleString("en-US", { maximumFractionDigits: 3 })}`).join(", ");

  const follow = () => {
    if (query() === null) return;
    at("row").hidden = true;
    at("rows-search").value = "";
    list();
    at("rows-title").scrollIntoView({ block: "start" });
    at("rows-title").focus({ preventScroll: true });
  };
  at("rows-here").hidden = false;
  at("rows-asked-of").hidden = !apart;
  if (apart) at("rows-model").textContent = "about the model";
  at("rows-search").addEventListener("input", () => { if (query() === null) history.replaceState(null, "", "#rows"); list(); });
  at("rows-more").addEventListener("click", () => { shown.upTo += STEP; fill(); });
  at("row-back").addEventListener("click", () => { at("row").hidden = true; at("rows-title").focus(); });
  window.addEventListener("hashchange", follow);
  const numbers = [...document.querySelectorAll(".part details")];
  const short = (one) => one.querySelectorAll("tbody tr").length <= 60;
  let before = [];
  window.addEventListener("beforeprint", () => { before = numbers.map((one) => one.open); for (const one of numbers) one.open = short(one); });
  window.addEventListener("afterprint", () => numbers.forEach((one, place) => { one.open = before[place] ?? false; }));
  if (query() === null) { shown.found = rows; shown.upTo = FIRST; say("", false, ""); fill(); } else follow();
})();
