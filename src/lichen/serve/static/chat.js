// A Direct Line client: one conversation, kept across reloads, every message sent at least once under its own id.

const $ = (id) => document.getElementById(id);
const { door, tenant, locale } = document.body.dataset;
const given = new URLSearchParams(location.search).get("user");
const slot = `lichen.chat.${tenant}${given ? `.${given}` : ""}`;
const LINE = `${door}/v3/directline`;
const BACKOFF_MS = [500, 1000, 2000, 5000, 10000, 20000];
const POLL_MS = 2000;
const REPLACED = 4000; // another window follows this conversation: look now and then instead of taking it back
const TYPING_MS = 60000;

let kept = JSON.parse(localStorage.getItem(slot) ?? "{}"); // user, conversation, token, outbox
let watermark = "";
let socket = null;
let attempt = 0; // failures in a row
let broken = 0; // sockets in a row that never opened
let timer = 0;
let refreshing = 0;
let typing = 0;
let live = null; // the item of a message that is still being made
const items = new Map(); // by activity id, and by the id we gave a message of our own

kept.user ??= given ?? `dl_${crypto.randomUUID()}`;
kept.outbox ??= [];

function keep(changes = {}) {
  Object.assign(kept, changes);
  localStorage.setItem(slot, JSON.stringify(kept));
}

// -- requests --

class Refused extends Error {
  constructor(status) {
    super(`refused with ${status}`);
    this.status = status;
  }
}

async function ask(method, address, body) {
  const headers = kept.token ? { authorization: `Bearer ${kept.token}` } : {};
  if (body) headers["content-type"] = "application/json";
  const response = await fetch(address, { method, headers, body: body && JSON.stringify(body) });
  if (!response.ok) throw new Refused(response.status);
  return response.json();
}

function remember(opened) {
  keep({ conversation: opened.conversationId, token: opened.token ?? kept.token });
  clearTimeout(refreshing);
  const life = opened.expires_in ?? 1800;
  refreshing = setTimeout(refresh, life * 500);
  return opened.streamUrl;
}

async function refresh() {
  try {
    remember({ conversationId: kept.conversation, ...(await ask("POST", `${LINE}/tokens/refresh`)) });
  } catch {
    refreshing = setTimeout(refresh, 30000);
  }
}

async function open() {
  if (kept.conversation) {
    try {
      return remember(await ask("GET", `${LINE}/conversations/${kept.conversation}?watermark=${watermark}`));
    } catch (error) {
      if (![401, 403, 404].includes(error.status)) throw error;
      keep({ conversation: null, token: null });
    }
  }
  kept.token = null;
  const { token } = await ask("POST", `${door}/token`, { user: { id: kept.user }, locale });
  keep({ token });
  watermark = "";
  return remember(await ask("POST", `${LINE}/conversations`, { user: { id: kept.user }, locale }));
}

// -- receiving: a socket, polling where there can be none --

async function connect() {
  clearTimeout(timer);
  try {
    const address = await open();
    await catchUp();
    if (address && broken < 3) listen(address);
    else poll();
  } catch (error) {
    later(error);
  }
}

async function catchUp() {
  take(await ask("GET", `${LINE}/conversations/${kept.conversation}/activities?watermark=${watermark}`));
  attempt = 0;
  tell("");
  for (const { id, text, failed } of kept.outbox) {
    if (!items.has(id)) draw({ from: { id: kept.user }, text, channelData: { clientActivityID: id } }, failed ? "failed" : "sending");
  }
  await flush();
}

function listen(address) {
  let opened = false;
  socket = new WebSocket(address.replace(/^http/, "ws"));
  socket.onopen = () => { opened = true; broken = 0; };
  socket.onmessage = (event) => { if (event.data) take(JSON.parse(event.data)); };
  socket.onclose = ({ code }) => {
    socket = null;
    if (!opened) broken += 1;
    if (code === REPLACED) poll();
    else later();
  };
}

async function poll() {
  try {
    await catchUp();
    timer = setTimeout(poll, POLL_MS);
  } catch (error) {
    broken = 0;
    later(error);
  }
}

function later(error) {
  if (error?.status === 401) keep({ token: null, conversation: kept.conversation });
  tell(navigator.onLine ? "Reconnecting…" : "You are offline");
  clearTimeout(timer);
  timer = setTimeout(connect, BACKOFF_MS[Math.min(attempt, BACKOFF_MS.length - 1)] * (0.75 + Math.random() / 2));
  attempt += 1;
}

function again() {
  const old = socket;
  if (old) old.onclose = null;
  old?.close();
  socket = null;
  attempt = broken = 0;
  connect();
}

// -- sending: shown at once, kept until the server has it, sent again under the same id --

function say(text) {
  const message = { id: crypto.randomUUID(), text };
  keep({ outbox: [...kept.outbox, message] });
  draw({ type: "message", from: { id: kept.user }, text, channelData: { clientActivityID: message.id } }, "sending");
  wait(true);
  flush();
}

let flushing = false;

async function flush() {
  if (flushing || !kept.conversation) return;
  flushing = true;
  try {
    for (let message = kept.outbox.find((each) => !each.failed); message; message = kept.outbox.find((each) => !each.failed)) {
      if (!(await send(message))) break;
    }
  } finally {
    flushing = false;
  }
}

async function send({ id, text }) {
  const activity = { type: "message", from: { id: kept.user }, text, locale, channelData: { clientActivityID: id } };
  try {
    await ask("POST", `${LINE}/conversations/${kept.conversation}/activities`, activity);
    sent(id);
    return true;
  } catch (error) {
    if (error.status >= 400 && error.status < 500 && ![401, 403, 408, 429].includes(error.status)) {
      keep({ outbox: kept.outbox.map((each) => (each.id === id ? { ...each, failed: true } : each)) });
      mark(id, "failed");
      wait(false);
      return true;
    }
    if (!socket || error.status) later(error);
    else timer = setTimeout(flush, BACKOFF_MS[Math.min(attempt++, BACKOFF_MS.length - 1)]);
    return false;
  }
}

function sent(id) {
  keep({ outbox: kept.outbox.filter((each) => each.id !== id) });
  mark(id, "sent");
}

// -- drawing: text only ever as text --

function take({ activities = [], watermark: mark }) {
  for (const activity of activities) {
    if (activity.type === "typing" && activity.from?.id !== kept.user) speak(activity);
    if (activity.type !== "message") continue;
    const own = activity.channelData?.clientActivityID;
    if (activity.from?.id === kept.user && own && items.has(own)) {
      sent(own);
      items.set(activity.id, items.get(own));
    } else if (!items.has(activity.id)) {
      if (activity.from?.id !== kept.user) {
        live?.remove();
        live = null;
        wait(false);
      }
      draw(activity, "sent");
    }
  }
  if (mark !== undefined && mark !== null) watermark = mark;
}

// Text that is still being made: the message itself takes its place.
function speak(activity) {
  wait(!activity.text);
  if (!activity.text) return;
  live ??= draw({ ...activity, id: undefined }, "sent");
  live.classList.add("live");
  live.firstElementChild.textContent = activity.text;
}

function draw(activity, state) {
  const mine = activity.from?.id === kept.user;
  const kind = activity.channelData?.lichen?.kind ?? activity.channelData?.kind ?? "message";
  const at = activity.timestamp ? new Date(activity.timestamp) : new Date();
  const log = $("log");
  const isDown = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
  separate(at);
  const item = document.createElement("li");
  const last = log.lastElementChild;
  item.className = mine ? "mine" : "theirs";
  if (!last?.classList.contains(item.className)) item.classList.add("turn");
  if (kind === "notice") item.classList.add("notice");
  const text = document.createElement("p");
  text.textContent = activity.text ?? "";
  text.dir = "auto";
  const small = document.createElement("small");
  item.append(text, small);
  item.dataset.at = at.toISOString();
  log.append(item);
  for (const id of [activity.id, activity.channelData?.clientActivityID]) if (id) items.set(id, item);
  show(item, state, activity.channelData?.clientActivityID);
  if (isDown || mine) log.scrollTop = log.scrollHeight;
  return item;
}

function separate(at) {
  const day = at.toDateString();
  const log = $("log");
  if (log.dataset.day === day) return;
  log.dataset.day = day;
  const item = document.createElement("li");
  item.className = "day";
  item.textContent = day === new Date().toDateString() ? "Today" : at.toLocaleDateString(undefined, { dateStyle: "long" });
  log.append(item);
}

function mark(id, state) {
  const item = items.get(id);
  if (item) show(item, state, id);
}

function show(item, state, id) {
  const small = item.querySelector("small");
  const time = new Date(item.dataset.at).toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" });
  item.classList.toggle("sending", state === "sending");
  item.classList.toggle("failed", state === "failed");
  small.textContent = { sending: "Sending…", failed: "Not sent." }[state] ?? time;
  if (state !== "failed") return;
  const retry = document.createElement("button");
  retry.type = "button";
  retry.textContent = "Try again";
  retry.onclick = () => {
    keep({ outbox: kept.outbox.map((each) => (each.id === id ? { ...each, failed: false } : each)) });
    show(item, "sending", id);
    flush();
  };
  small.append(" ", retry);
}

function wait(on) {
  clearTimeout(typing);
  $("typing").hidden = !on;
  if (on) typing = setTimeout(() => wait(false), TYPING_MS);
  if (on) $("log").scrollTop = $("log").scrollHeight;
}

function tell(text) {
  $("state").textContent = text;
}

// -- the page --

$("form").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("text").value.trim();
  if (!text) return;
  $("text").value = "";
  say(text);
  $("text").focus();
});

$("text").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  $("form").requestSubmit();
});

$("fresh").addEventListener("click", () => {
  keep({ conversation: null, token: null, outbox: [] });
  watermark = "";
  items.clear();
  live = null;
  $("log").replaceChildren();
  delete $("log").dataset.day;
  wait(false);
  again();
  $("text").focus();
});

window.addEventListener("online", again);
window.visualViewport?.addEventListener("resize", () => {
  document.documentElement.style.setProperty("--height", `${visualViewport.height}px`);
  $("log").scrollTop = $("log").scrollHeight;
});

$("fresh").hidden = false;
tell("Connecting…");
if (matchMedia("(pointer: fine)").matches) $("text").focus();
connect();
