"use strict";

// Draws openapi.json.

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function kind(schema) {
  if (schema.oneOf) return schema.oneOf.map(kind).join(", or ");
  if (schema.enum) return schema.enum.map(String).join(" or ");
  if (schema.const) return JSON.stringify(schema.const);
  return schema.type === "array" && schema.items ? `list of ${kind(schema.items)}` : schema.type;
}

function fields(schema) {
  const rows = Object.entries(schema?.properties ?? {}).map(([name, field]) => {
    const needed = schema.required?.includes(name) ? "needed" : "";
    return element("tr", {}, element("th", { scope: "row" }, element("code", {}, name)),
      element("td", {}, kind(field)), element("td", {}, needed), element("td", {}, field.description ?? ""));
  });
  return rows.length ? [element("div", { class: "wide" }, element("table", {}, element("tbody", {}, ...rows)))] : [];
}

function section([path, methods]) {
  const made = element("section", { class: "route" });
  for (const [method, route] of Object.entries(methods)) {
    made.append(element("h2", {}, element("code", {}, `${method.toUpperCase()} ${path}`)), element("p", {}, `${route.summary}.`));
    if (route.description) made.append(element("p", { class: "note" }, route.description));
    const asked = route.requestBody?.content["application/json"];
    if (asked) made.append(element("h3", {}, "Asked"), ...fields(asked.schema));
    for (const { value } of Object.values(asked?.examples ?? {})) made.append(element("pre", {}, JSON.stringify(value)));
    const answer = route.responses["200"];
    const [type, content] = Object.entries(answer.content)[0];
    made.append(element("h3", {}, "Answered"), element("p", { class: "note" }, `${answer.description} ${type}`), ...fields(content.schema));
  }
  return made;
}

fetch("openapi.json").then((answer) => answer.json()).then((api) => {
  document.getElementById("lead").textContent = api.info.description;
  document.getElementById("routes").replaceChildren(...Object.entries(api.paths).map(section));
});
