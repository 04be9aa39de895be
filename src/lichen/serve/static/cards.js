// Cards, forms and text with markup, loaded with the first of them. Words are only ever text, and only links are links.

const style = document.createElement("link");
Object.assign(style, { rel: "stylesheet", href: new URL("cards.css", import.meta.url) });
document.head.append(style);

// What was asked before the customer says something is not asked any more.
const said = document.getElementById("said");
new MutationObserver(close).observe(said, { childList: true });

function close() {
  const last = [...said.children].findLastIndex((item) => item.classList.contains("mine"));
  for (const item of [...said.children].slice(0, Math.max(last, 0))) {
    for (const asks of item.querySelectorAll(".asks")) asks.disabled = true;
  }
}

const FEW = 4; // choices that are shown all at once
const LOOKS = { bold: "b", italic: "i", strike: "s", code: "code" };
let fields = 0;

function make(tag, given = {}, ...children) {
  const element = Object.assign(document.createElement(tag), given);
  element.append(...children);
  return element;
}

// What a message shows beside its words; `say(text, value)` is how it is answered.
export function show(item, { paras, blocks }, say) {
  if (paras) item.querySelector("p").replaceChildren(...written(paras));
  if (!blocks?.length) return;
  const all = make("fieldset", {}, ...blocks.map(drawn));
  const form = make("form", { className: "card" }, all);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(form, event.submitter?.action_, say);
  });
  item.querySelector("small").before(form);
  all.classList.toggle("asks", !!form.querySelector("label"));
  close();
  if (item === said.lastElementChild) item.closest("#log").scrollTop = item.closest("#log").scrollHeight;
}

// -- text --

function written(paras) {
  return paras.flatMap(({ kind, prefix = "", quotes = 0, spans = [] }, i) => {
    const before = i ? [prefix.trimStart() && paras[i - 1].prefix ? "\n" : "\n\n"] : [];
    if (kind === "rule") return [...before, "———"];
    const looked = spans.map((span) => look(kind === "heading" ? { ...span, bold: true } : span));
    if (kind === "code") return [...before, make("code", { className: "block" }, ...spans.map((span) => span.text))];
    return [...before, ...(quotes ? [make("q", {}, prefix, ...looked)] : [prefix, ...looked])];
  });
}

function look(span) {
  let node = document.createTextNode(span.text ?? "");
  for (const [name, tag] of Object.entries(LOOKS)) if (span[name]) node = make(tag, {}, node);
  return span.href ? link(span.href, node) : node;
}

function link(address, ...children) {
  if (!/^(https?|mailto):/i.test(address)) return make("span", {}, ...children);
  return make("a", { href: address, target: "_blank", rel: "noopener noreferrer" }, ...children);
}

// -- blocks --

function drawn(block) {
  switch (block.type) {
    case "words": return make(block.heading ? "strong" : "div", { dir: "auto" }, ...written(block.paras));
    case "facts": return make("dl", {}, ...block.facts.flatMap(([title, value]) => [make("dt", {}, title), make("dd", {}, value)]));
    case "picture": return picture(block);
    case "input": return input(block);
    case "divider": return make("hr");
    case "buttons": return buttons(block.actions);
    default: return "";
  }
}

function picture({ url, alt }) {
  return url.startsWith("data:image/") ? make("img", { src: url, alt }) : link(url, `↗ ${alt || url}`);
}

function buttons(actions) {
  const below = [];
  const row = make("div", { className: "buttons" }, ...actions.map((action) => {
    if (action.kind === "open") return link(action.url, action.title);
    if (action.kind !== "show") return make("button", { type: "submit", action_: action }, action.title);
    const shown = make("fieldset", { hidden: true, disabled: true }, ...(action.blocks ?? []).map(drawn));
    below.push(shown);
    const button = make("button", { type: "button", ariaExpanded: "false" }, action.title);
    button.onclick = () => {
      shown.hidden = shown.disabled = !shown.hidden;
      button.ariaExpanded = String(!shown.hidden);
    };
    return button;
  }));
  return make("div", {}, row, ...below);
}

function input(field) {
  const id = `field-${(fields += 1)}`;
  const many = field.kind === "choices";
  let shown;
  if (field.kind === "choice" && field.choices.length > FEW) {
    const none = field.required ? [] : [make("option", { value: "" }, "")];
    const options = field.choices.map(([title, value]) => make("option", { value, selected: value === field.value }, title));
    shown = make("select", { id, required: !!field.required }, ...none, ...options);
  } else if (field.choices.length) {
    const given = String(field.value ?? "").split(",");
    shown = make("div", { role: many ? "group" : "radiogroup", ariaLabel: field.label }, ...field.choices.map(([title, value]) => {
      const box = make("input", { type: many ? "checkbox" : "radio", name: id, value, checked: given.includes(value) });
      return make("label", {}, box, ` ${title}`);
    }));
    if (field.required && !many) shown.querySelector("input").required = true;
  } else if (field.kind === "toggle") {
    shown = make("input", { type: "checkbox", id, checked: field.value !== undefined && field.value === field.on });
  } else if (field.multiline) {
    shown = make("textarea", { id, rows: 3, required: !!field.required, value: field.value ?? "" });
  } else {
    const type = { number: "number", integer: "number", date: "date", time: "time" }[field.kind] ?? "text";
    shown = make("input", { id, type, required: !!field.required, value: field.value ?? "", placeholder: field.hint ?? "" });
    if (field.kind === "number") shown.step = "any";
    const [low, high] = type === "text" ? ["minLength", "maxLength"] : ["min", "max"];
    for (const [name, bound] of [[low, field.least], [high, field.most]]) if (bound !== undefined) shown[name] = bound;
  }
  shown.field = field;
  shown.classList.add("field");
  const label = field.choices.length && shown.tagName !== "SELECT" ? make("span", {}, field.label) : make("label", { htmlFor: id }, field.label);
  return make("div", { className: field.kind === "toggle" ? "row toggle" : "row" }, label, shown);
}

// -- what is answered: as any client of Adaptive Cards sends it --

function send(form, action, say) {
  const values = {};
  const lines = [];
  for (const shown of form.querySelectorAll(".field")) {
    if (shown.matches(":disabled") || shown.closest("fieldset:disabled")) continue;
    const [value, words] = read(shown);
    if (value === "" && !shown.field.required) continue;
    values[shown.field.id] = value;
    lines.push(`${shown.field.label}: ${words}`);
  }
  const data = action?.data;
  const isObject = data !== undefined && typeof data === "object" && !Array.isArray(data);
  const value = data === undefined || isObject ? { ...data, ...values } : data;
  say(lines.join("\n") || action?.title || "", undefined, value);
}

function read(shown) {
  const { field } = shown;
  if (field.kind === "toggle") return [String(shown.checked ? field.on ?? true : field.off ?? false), shown.checked ? "✓" : "✗"];
  if (shown.tagName === "SELECT") return [shown.value, shown.selectedOptions[0]?.textContent ?? ""];
  if (!field.choices.length) return [shown.value, shown.value];
  const taken = [...shown.querySelectorAll("input:checked")];
  return [taken.map((each) => each.value).join(","), taken.map((each) => each.parentElement.textContent.trim()).join(", ")];
}
