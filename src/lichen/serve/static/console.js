// Everything works without this file. It adds keys, confirmations, the theme switch and live pages.

const $ = (selector, root = document) => root.querySelector(selector);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];

// -- theme --

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function toggleTheme() {
  const theme = isDark() ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  localStorage.setItem("lichen.theme", theme);
}

// -- dialogs --

function ask(question, then) {
  const dialog = $("#confirm") ?? plainDialog();
  $("h2", dialog).textContent = question;
  $("[data-sure]", dialog).onclick = () => { dialog.close(); then(); };
  dialog.showModal();
  $("[data-sure]", dialog).focus();
}

function plainDialog() {
  const dialog = document.createElement("dialog");
  const box = document.createElement("div");
  const title = document.createElement("h2");
  const actions = document.createElement("div");
  actions.className = "actions";
  for (const [name, words, look] of [["close", "Back", ""], ["sure", "Yes", "yes"]]) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = look;
    button.dataset[name] = "";
    button.textContent = words;
    actions.append(button);
  }
  title.id = "confirm-title";
  dialog.id = "confirm";
  dialog.setAttribute("aria-labelledby", title.id);
  box.append(title, actions);
  dialog.append(box);
  document.body.append(dialog);
  return dialog;
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  const button = event.submitter;
  const question = button?.dataset.question ?? form.dataset.confirm;
  if (!question || form.dataset.sure) {
    for (const each of all("button", form)) setTimeout(() => { each.disabled = true; });
    return;
  }
  event.preventDefault();
  ask(question, () => {
    form.dataset.sure = "1";
    form.requestSubmit(button ?? undefined);
  });
});

document.addEventListener("click", (event) => {
  const target = event.target.closest("button");
  if (!target) return;
  if ("close" in target.dataset) target.closest("dialog").close();
  if ("themeToggle" in target.dataset) toggleTheme();
  if ("keys" in target.dataset) $("#keys").showModal();
});

document.addEventListener("change", (event) => {
  if ("submit" in event.target.dataset) event.target.form.requestSubmit();
});

// -- keys --

const PLACES = { r: "runs", a: "approvals", o: "handovers", s: "sessions", d: "letters", n: "channels", l: "log", e: "agents", p: "policies", t: "tools", i: "schedules", m: "meters", c: "costs", v: "evals", k: "keys", h: "health" };
let going = false;

function rows() {
  return all("[data-rows] tbody tr, .records tbody tr");
}

function move(step) {
  const found = rows();
  if (!found.length) return;
  const now = found.findIndex((row) => row.classList.contains("at"));
  const next = found[Math.min(found.length - 1, Math.max(0, now < 0 ? 0 : now + step))];
  for (const row of found) row.classList.remove("at");
  next.classList.add("at");
  $("a.row, summary", next)?.focus();
  next.scrollIntoView({ block: "nearest" });
}

const KEYS = {
  j: () => move(1),
  k: () => move(-1),
  u: () => $("[data-up]")?.click(),
  t: toggleTheme,
  "?": () => $("#keys").showModal(),
  a: () => $("[data-key=a]:enabled")?.click(),
  d: () => $("[data-key=d]:enabled")?.click(),
  g: () => { going = true; setTimeout(() => { going = false; }, 1200); },
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || $("dialog[open]")) return;
  if (event.target.matches("input, textarea, select")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const place = going && PLACES[event.key];
  going = false;
  if (place) {
    location.href = `/console/${place}`;
    return;
  }
  if (KEYS[event.key] && $(".side")) {
    event.preventDefault();
    KEYS[event.key]();
  }
});

// -- live pages: the page is fetched again and the parts marked `data-live` are exchanged --

const EVERY_MS = 5000;
let busy = false;
let isStale = false; // something happened while the page was fetched

async function refresh() {
  isStale = busy;
  if (busy || document.hidden || $("dialog[open]") || !$("[data-live]")) return;
  busy = true;
  try {
    const response = await fetch(location.href, { headers: { accept: "text/html" } });
    if (response.redirected) location.reload();
    if (response.ok) exchange(new DOMParser().parseFromString(await response.text(), "text/html"));
  } catch {
    // The server is away; the next look may find it.
  } finally {
    busy = false;
    if (isStale) refresh();
  }
}

function exchange(page) {
  for (const part of all("[data-live]")) {
    const fresh = $(`[data-live="${part.dataset.live}"]`, page);
    if (!fresh || fresh.innerHTML === part.innerHTML || part.contains(getSelectionNode())) continue;
    const open = all("details[open]", part).map((each) => each.id);
    const focused = part.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    const row = rows().findIndex((each) => each.classList.contains("at"));
    part.replaceChildren(...fresh.childNodes);
    for (const id of open) if (id) $(`#${CSS.escape(id)}`, part)?.setAttribute("open", "");
    if (focused) $(`[href="${CSS.escape(focused)}"]`, part)?.focus();
    if (row >= 0) rows()[row]?.classList.add("at");
  }
  show(isLive);
}

function getSelectionNode() {
  const selection = getSelection();
  return selection && !selection.isCollapsed ? selection.anchorNode : null;
}

const RECORDS = [
  "run_started", "plan_started", "planned", "decided", "wait_opened", "wait_closed", "owned", "call_started",
  "call_progressed", "call_finished", "call_asked", "signal", "timer_fired", "limit_reached", "run_finished",
];

let isLive = null; // whether this page's stream is open; null without one

function show(on) {
  isLive = on;
  const state = $("[data-live-state]");
  if (!state || on === null) return;
  state.hidden = false;
  state.classList.toggle("on", on);
}

// How far a call is, as its tool says, for as long as the run goes on. Nothing of it is kept.
function listen(place) {
  const source = new EventSource(place.dataset.progress);
  source.addEventListener("piece", (event) => {
    const said = JSON.parse(event.data);
    if (said.kind !== "progress" || !said.tool) return;
    const of = said.total === undefined ? "" : ` of ${said.total}`;
    place.textContent = `${said.by} ${said.tool} says ${said.done}${of}${said.text ? `: “${said.text}”` : ""}`;
    place.hidden = false;
  });
  source.addEventListener("end", () => { source.close(); place.hidden = true; });
}

function follow(address) {
  const source = new EventSource(address);
  let timer = 0;
  const changed = () => { clearTimeout(timer); timer = setTimeout(refresh, 150); };
  source.onopen = () => show(true);
  source.onerror = () => show(false);
  for (const kind of RECORDS) source.addEventListener(kind, changed);
  source.addEventListener("end", () => { source.close(); show(false); changed(); });
}

// -- what waits for people: the title says how much, and pages that list it are looked at again at once --

const title = document.title;

let open = null; // how much waited when it was last said

function tell(waiting) {
  document.title = waiting.open ? `(${waiting.open}) ${title}` : title;
  if (open !== null && waiting.open > open && mayNotify() && document.hidden) {
    new Notification("Lichen", { body: `${waiting.open} waiting for a person`, tag: "lichen-waiting" });
  }
  open = waiting.open;
}

// A notification says how much waits, and nothing that anybody wrote.
function mayNotify() {
  return "Notification" in window && Notification.permission === "granted";
}

const notify = $("[data-notify]");
if (notify && "Notification" in window && Notification.permission === "default") {
  notify.hidden = false;
  notify.addEventListener("click", async () => {
    await Notification.requestPermission();
    notify.hidden = Notification.permission !== "default";
  });
}

function watch(address) {
  const source = new EventSource(address);
  let seen = "";
  source.addEventListener("waiting", (event) => {
    tell(JSON.parse(event.data));
    if (seen && seen !== event.data) refresh();
    seen = event.data;
  });
}

if (document.body.dataset.waits) watch(document.body.dataset.waits);
$(".side [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
const stream = $("[data-events]");
if (stream && $(".running, .waiting", stream)) follow(stream.dataset.events);
const far = $("[data-progress]");
if (far) listen(far);
if ($("[data-live]")) setInterval(refresh, EVERY_MS);
