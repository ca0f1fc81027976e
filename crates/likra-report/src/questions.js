"use strict";

// The page of single questions: reads the data that the page carries, and draws the rows that are asked for.

const data = JSON.parse(document.getElementById("data").textContent);

// A number as it is written in the data, times this, is in nats (margins: in nats per what scores are divided by).
const NAT = 0.01;
const MARGIN = 0.0001;

// So many rows are drawn at a time. Ten thousand at once would make every key press wait.
const STEP = 400;

const methods = data.methods.map(([name, label, examples]) => ({ name, label, examples }));
const heads = data.heads.map(([name, examples]) => ({ label: name, examples }));
const questions = data.questions.map(([id, right, chars, scores, taken, margins], place) => ({
  id,
  // Its place in the run's own order.
  place,
  choices: chars.map((length, choice) => ({
    chars: length,
    right: right.includes(choice),
    scores: scores.map((byChoice) => byChoice[choice]),
  })),
  taken,
  margins,
}));

const form = document.getElementById("controls");
const rows = document.getElementById("rows");
const more = document.getElementById("more");
const sorters = [...document.querySelectorAll("[data-sort]")];

// How the table is sorted: by nothing, which is the run's own order, by id, or by the margin of method a or b.
let sort = { by: "", down: false };
let shown = STEP;
// The questions whose choices are open stay open when the table is drawn again.
const open = new Set();

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

// A minus sign is as wide as a digit, so that columns of numbers line up.
function number(value, decimals) {
  return value.toFixed(decimals).replace("-", "−");
}

// What a head or a method is called, with how many examples it has seen, if any.
function trained({ label, examples }) {
  return examples > 0 ? `${label}, ${examples} examples` : label;
}

function isRight(question, method) {
  return question.choices[question.taken[method]].right;
}

// The places of the two methods that are chosen.
function chosen() {
  return [form.elements.a.selectedIndex, form.elements.b.selectedIndex];
}

const FILTERS = {
  all: () => true,
  both: (a, b) => a && b,
  first: (a, b) => a && !b,
  second: (a, b) => !a && b,
  neither: (a, b) => !a && !b,
};

function count(filter, [a, b]) {
  const found = questions.filter((question) => filter(isRight(question, a), isRight(question, b)));
  return found.length;
}

function matching([a, b]) {
  const filter = FILTERS[form.elements.show.value];
  const part = form.elements.find.value.trim().toLowerCase();
  return questions.filter(
    (question) =>
      filter(isRight(question, a), isRight(question, b)) && question.id.toLowerCase().includes(part),
  );
}

// Ids that hold numbers are sorted by them. Without a wrong choice there is no margin; such questions come last.
const ids = new Intl.Collator("en", { numeric: true });

function compare(one, other, [a, b]) {
  if (sort.by === "") return one.place - other.place;
  const sign = sort.down ? -1 : 1;
  if (sort.by === "id") return sign * ids.compare(one.id, other.id);
  const method = sort.by === "a" ? a : b;
  const [left, right] = [one.margins[method], other.margins[method]];
  if (left === null || right === null) return (left === null) - (right === null);
  return sign * (left - right) || one.place - other.place;
}

// The cells of a method: the choice that it takes, marked in words too, and its margin.
function cells(question, method) {
  const right = isRight(question, method);
  const mark = element("span", { class: `badge ${right ? "yes" : "no"}` }, right ? "right" : "wrong");
  const margin = question.margins[method];
  return [
    element("td", {}, `${question.taken[method]} `, mark),
    element("td", { class: "n" }, margin === null ? "" : number(margin * MARGIN, 4)),
  ];
}

// A log-likelihood with a bar: the likelihood per character, as in figure 2, from 0 to 1.
function score(choice, head) {
  const nats = choice.scores[head] * NAT;
  const bar = element("span", { class: "bar", "aria-hidden": "true" });
  bar.style.width = `${(Math.exp(nats / choice.chars) * 100).toFixed(1)}%`;
  return element("td", { class: "n" }, number(nats, 2), element("span", { class: "track" }, bar));
}

// The choices of a question: their log-likelihoods by head, and who takes which.
function choices(question) {
  const column = (label, kind = "") => element("th", { scope: "col", class: kind }, label);
  const head = element("tr", {}, column("Choice"), column("Characters", "n"));
  head.append(...heads.map((one) => column(trained(one), "n")), column("Taken by"));
  const body = question.choices.map((choice, place) => {
    const takers = methods.filter((_, method) => question.taken[method] === place);
    const name = element("th", { scope: "row" }, `${place} `);
    if (choice.right) name.append(element("span", { class: "badge yes" }, "right"));
    return element(
      "tr",
      {},
      name,
      element("td", { class: "n" }, String(choice.chars)),
      ...heads.map((_, at) => score(choice, at)),
      element("td", { class: "takers" }, takers.map((method) => method.label).join(", ")),
    );
  });
  return element("table", { class: "plain" }, element("thead", {}, head), element("tbody", {}, ...body));
}

function toggle(question, row, button) {
  const isOpen = open.has(question.place);
  button.setAttribute("aria-expanded", String(!isOpen));
  if (isOpen) {
    open.delete(question.place);
    row.nextElementSibling.remove();
  } else {
    open.add(question.place);
    row.after(detail(question));
  }
  writeAddress();
}

function detail(question) {
  return element("tr", { class: "choices" }, element("td", { colspan: "5" }, choices(question)));
}

function drawQuestion(question, [a, b]) {
  const isOpen = open.has(question.place);
  const button = element("button", { type: "button", "aria-expanded": String(isOpen) }, question.id);
  const name = element("th", { scope: "row" }, button);
  const row = element("tr", {}, name, ...cells(question, a), ...cells(question, b));
  button.addEventListener("click", () => toggle(question, row, button));
  return isOpen ? [row, detail(question)] : [row];
}

// Counts over all questions: they are those of the report's tables, whatever is filtered.
function drawCounts(found, pair) {
  const all = questions.length;
  const right = pair.map((method) => {
    const rights = questions.filter((question) => isRight(question, method)).length;
    return `${methods[method].label} has ${rights} of ${all} right (${number((rights / all) * 100, 1)}%).`;
  });
  const [both, first, second, neither] = ["both", "first", "second", "neither"].map((name) =>
    count(FILTERS[name], pair),
  );
  const split = `Both: ${both}. Only A: ${first}. Only B: ${second}. Neither: ${neither}.`;
  const drawn = Math.min(shown, found.length);
  const line = `Shown: ${drawn === found.length ? drawn : `${drawn} of ${found.length}`}.`;
  document.getElementById("counts").textContent = [...right, split, line].join(" ");
}

function draw() {
  const pair = chosen();
  const found = matching(pair).sort((one, other) => compare(one, other, pair));
  rows.replaceChildren(...found.slice(0, shown).flatMap((question) => drawQuestion(question, pair)));
  more.hidden = shown >= found.length;
  more.textContent = `Show ${Math.min(STEP, found.length - shown)} more`;
  drawCounts(found, pair);
  ["a", "b"].forEach((name, at) => {
    document.getElementById(`name-${name}`).textContent = `${name.toUpperCase()}: ${methods[pair[at]].label}`;
  });
  for (const button of sorters) {
    const direction = sort.down ? "descending" : "ascending";
    const state = button.dataset.sort === sort.by ? direction : "none";
    button.closest("th").setAttribute("aria-sort", state);
  }
}

// The address says what is shown, so that a link shows the same.
function writeAddress() {
  const said = new URLSearchParams(new FormData(form));
  if (said.get("find") === "") said.delete("find");
  if (sort.by !== "") said.set("sort", sort.down ? `-${sort.by}` : sort.by);
  for (const place of open) said.append("open", questions[place].id);
  history.replaceState(null, "", `#${said}`);
}

function readAddress() {
  const said = new URLSearchParams(location.hash.slice(1));
  const second = methods.some((method) => method.name === "sft") ? "sft" : methods.at(-1).name;
  const wanted = { a: methods[0].name, b: second, show: "all", find: "", ...Object.fromEntries(said) };
  for (const field of form.elements) {
    field.value = wanted[field.name];
    // What the run does not have, such as a method of another run, is its first.
    if (field.selectedIndex === -1) field.selectedIndex = 0;
  }
  const by = said.get("sort") ?? "";
  sort = { by: by.replace("-", ""), down: by.startsWith("-") };
  open.clear();
  const opened = new Set(said.getAll("open"));
  for (const question of questions) if (opened.has(question.id)) open.add(question.place);
}

function change() {
  shown = STEP;
  writeAddress();
  draw();
}

// A column is sorted upwards, then downwards, then not at all.
function sortBy(by) {
  if (sort.by !== by) sort = { by, down: false };
  else sort = sort.down ? { by: "", down: false } : { by, down: true };
  change();
}

for (const select of [form.elements.a, form.elements.b]) {
  select.append(...methods.map((method) => element("option", { value: method.name }, trained(method))));
}
form.addEventListener("input", change);
form.addEventListener("submit", (event) => event.preventDefault());
more.addEventListener("click", () => {
  shown += STEP;
  draw();
});
for (const button of sorters) button.addEventListener("click", () => sortBy(button.dataset.sort));
window.addEventListener("hashchange", () => {
  readAddress();
  draw();
});

document.getElementById("page").hidden = false;
readAddress();
draw();
