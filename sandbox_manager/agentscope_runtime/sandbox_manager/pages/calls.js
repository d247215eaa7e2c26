// Shows /openapi.json for people. Our own page, because the usual ones run scripts from another server.

const $ = (id) => document.getElementById(id);
const copy = (id) => $(id).content.firstElementChild.cloneNode(true);

/** Follow a reference into the document. */
function resolve(schema, root, depth = 0) {
  if (!schema || typeof schema !== "object" || depth > 8) return schema;
  if (schema.$ref) return resolve(schema.$ref.split("/").slice(1).reduce((at, key) => at?.[key], root), root, depth + 1);
  return schema;
}

/** Write a schema as the shape of its JSON, which is what a caller wants to see. */
function shape(schema, root, indent = "", depth = 0) {
  const of = resolve(schema, root) ?? {};
  const options = of.anyOf ?? of.oneOf;
  if (options) return options.map((option) => shape(option, root, indent, depth)).join(" | ");
  if (depth > 6) return "…";
  if (of.type === "array") return `[${shape(of.items, root, indent, depth + 1)}, …]`;
  if (of.type === "object" && of.properties) {
    const inner = `${indent}  `;
    const lines = Object.entries(of.properties).map(([name, member]) => {
      const optional = of.required?.includes(name) ? "" : "?";
      return `${inner}${name}${optional}: ${shape(member, root, inner, depth + 1)}`;
    });
    return `{\n${lines.join("\n")}\n${indent}}`;
  }
  return of.type ?? "any";
}

function part(parent, title, text) {
  const heading = document.createElement("h3");
  heading.textContent = title;
  const block = document.createElement("pre");
  block.textContent = text;
  parent.append(heading, block);
}

function showCall(path, method, call, root) {
  const element = copy("call");
  element.querySelector("b").textContent = method.toUpperCase();
  element.querySelector("code").textContent = path;
  element.querySelector("span").textContent = call.description ?? "";
  const details = element.querySelector("div");
  const query = (call.parameters ?? []).filter((parameter) => parameter.in === "query");
  if (query.length) {
    const lines = query.map((one) => `${one.name}${one.required ? "" : "?"}: ${shape(one.schema, root)}`);
    part(details, "Query", lines.join("\n"));
  }
  const sent = call.requestBody?.content?.["application/json"]?.schema;
  if (sent) part(details, "Body", shape(sent, root));
  for (const [status, answer] of Object.entries(call.responses)) {
    const schema = answer.content?.["application/json"]?.schema;
    if (schema && Object.keys(schema).length && status.startsWith("2")) part(details, "Answer", shape(schema, root));
  }
  return element;
}

const root = await (await fetch("openapi.json")).json();
$("version").textContent = root.info.version;
const groups = new Map();
for (const [path, methods] of Object.entries(root.paths)) {
  for (const [method, call] of Object.entries(methods)) {
    const name = call.tags?.[0] ?? "other";
    if (!groups.has(name)) {
      const group = copy("group");
      group.querySelector("h2").textContent = name;
      groups.set(name, group);
      $("calls").append(group);
    }
    groups.get(name).append(showCall(path, method, call, root));
  }
}
