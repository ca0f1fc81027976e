"use strict";

// The page to try the heads on. What the form asks is in the address, so that it can be kept and passed on:
// #prompt=...&answer=...&answer=...

const form = document.getElementById("form");
const status = document.getElementById("status");
const results = document.getElementById("results");

// So far apart, in nats, are the heads where a token has its full colour.
const FULL = 4;

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

// A minus sign is as wide as a digit, so that columns of numbers line up.
function number(value, decimals = 2) {
  return value.toFixed(decimals).replace("-", "−");
}

function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}

async function ask(path, body) {
  const headers = { "Content-Type": "application/json" };
  const token = form.elements.token.value;
  if (token) headers.Authorization = `Bearer ${token}`;
  const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
  const found = await answer.json();
  if (!answer.ok) throw new Error(found.error.message);
  return found;
}

async function tokens(text) {
  return (await ask("tokenize", { prompt: text })).tokens;
}

// Of each text, the tokens from `starts` on, with their log-likelihoods under a model.
async function score(model, texts, starts) {
  const { choices } = await ask("v1/completions", { model, prompt: texts, echo: true, logprobs: 0, max_tokens: 0 });
  return choices.map(({ logprobs }, place) =>
    logprobs.tokens.map((text, at) => ({ text, value: logprobs.token_logprobs[at] })).slice(starts[place]));
}

// As the judge does.
function joined({ context, chat }, answer) {
  return chat || !context || /\s$/.test(context) || /^\s/.test(answer) ? context + answer : `${context} ${answer}`;
}

function row(answer, place, judged, heads) {
  const made = element("tr", judged.best === place ? { class: "best" } : {}, element("th", { scope: "row" }, answer));
  const chance = judged.probabilities[place];
  const bar = element("span", { class: "bar", style: `width: ${100 * chance}%` });
  made.append(element("td", { class: "chance" }, element("span", { class: "track", "aria-hidden": "true" }, bar), number(100 * chance, 0) + "%"));
  const numbers = [judged.rank[place], number(judged.scores[place]), number(judged.scores_per_character[place], 3)];
  for (const head of heads) numbers.push(number(sum(head[place].map(({ value }) => value))));
  for (const text of numbers) made.append(element("td", { class: "n" }, String(text)));
  return made;
}

function token({ text, value: positive }, negative) {
  const apart = positive - negative;
  const strength = Math.round(60 * Math.min(1, Math.abs(apart) / FULL));
  const said = `log p+ ${number(positive)}, log p− ${number(negative)}, difference ${number(apart)}`;
  const kind = apart >= 0 ? "liked" : "disliked";
  const made = element("span", { class: `token ${kind}`, style: `--strength: ${strength}`, title: said, tabindex: 0 }, text);
  const show = () => { document.getElementById("numbers").textContent = `“${text}”: ${said}`; };
  made.addEventListener("focus", show);
  made.addEventListener("pointerenter", show);
  return made;
}

function draw(answers, judged, [base, positive, negative]) {
  document.getElementById("scores").replaceChildren(
    ...answers.map((answer, place) => row(answer, place, judged, [base, positive, negative])));
  document.getElementById("tokens").replaceChildren(...answers.map((_, place) => {
    const shown = positive[place].map((one, at) => token(one, negative[place][at].value));
    return element("p", { class: "tokens" }, ...shown);
  }));
  document.getElementById("numbers").textContent = "\u00a0";
  results.hidden = false;
}

async function judge() {
  const prompt = form.elements.prompt.value;
  const answers = form.elements.answers.value.split("\n").filter((answer) => answer.trim());
  const place = new URLSearchParams([["prompt", prompt], ...answers.map((answer) => ["answer", answer])]);
  history.replaceState(null, "", `#${place}`);
  const read = await ask("v1/judge/context", { prompt });
  const texts = answers.map((answer) => joined(read, answer));
  // As lm-eval does: spaces before an answer, and a token that crosses the border, belong to the answer.
  const shared = await tokens(read.context.trimEnd());
  const whole = await Promise.all(texts.map(tokens));
  const starts = whole.map((ids) => Math.max(1, Math.min(shared.length, ids.length - 1)));
  const [judged, ...heads] = await Promise.all([
    ask("v1/judge", { prompt, answers }),
    ...["base", "positive", "negative"].map((model) => score(model, texts, starts)),
  ]);
  draw(answers, judged, heads);
  status.textContent = `The best of ${answers.length}: ${answers[judged.best].trim()}`;
}

async function submit(event) {
  event?.preventDefault();
  const button = form.querySelector("button");
  button.disabled = true;
  status.className = "";
  status.textContent = "Asking …";
  try {
    await judge();
  } catch (error) {
    results.hidden = true;
    status.className = "error";
    status.textContent = error.message;
  }
  button.disabled = false;
}

form.addEventListener("submit", submit);
const asked = new URLSearchParams(location.hash.slice(1));
if (asked.has("prompt") && asked.has("answer")) {
  form.elements.prompt.value = asked.get("prompt");
  form.elements.answers.value = asked.getAll("answer").join("\n");
  submit();
}
