// A Direct Line client: one conversation, kept across reloads, every message sent at least once under its own id.

const $ = (id) => document.getElementById(id);
const { door, tenant, user: signedIn, max, words } = document.body.dataset;
const locale = document.documentElement.lang;
const spoken = JSON.parse(words);
const given = new URLSearchParams(location.search).get("user");
const slot = `lichen.chat.${tenant}${given ? `.${given}` : ""}`;
const LINE = `${door}/v3/directline`;
const BACKOFF_MS = [500, 1000, 2000, 5000, 10000, 20000];
const POLL_MS = 2000;
const REPLACED = 4000; // another window follows this conversation: look now and then instead of taking it back
const TYPING_MS = 60000;
const GROUP_MS = 300000;

let kept = JSON.parse(localStorage.getItem(slot) ?? "{}"); // user, alias, conversation, token, outbox, ended
let watermark = "";
let socket = null;
let attempt = 0; // failures in a row
let broken = 0; // sockets that never opened
let timer = 0;
let refreshing = 0;
let typing = 0;
let live = null; // the item of a message that is still being made
const items = new Map(); // by activity id, and by the id we gave a message of our own

const someone = kept.alias ?? given ?? (signedIn || kept.user || `dl_${crypto.randomUUID()}`);
if (kept.user !== someone) Object.assign(kept, { user: someone, conversation: null, token: null });
kept.outbox ??= [];
const opening = [...$("said").children]; // the greeting

let loading;
const loaded = () => (loading ??= import(document.body.dataset.script).then((files) => (files.speak(spoken), files)));

function keep(changes = {}) {
  Object.assign(kept, changes);
  localStorage.setItem(slot, JSON.stringify(kept));
}

// -- requests --

class Refused extends Error {
  constructor(status, error) {
    super(`refused with ${status}`);
    Object.assign(this, { status, code: error?.code, said: error?.message });
  }
}

async function ask(method, address, body) {
  const headers = kept.token ? { authorization: `Bearer ${kept.token}` } : {};
  if (body) headers["content-type"] = "application/json";
  const response = await fetch(address, { method, headers, body: body && JSON.stringify(body) });
  if (!response.ok) throw new Refused(response.status, (await response.json().catch(() => null))?.error);
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

// -- receiving: a socket, else polling --

let connecting = false;

async function connect() {
  clearTimeout(timer);
  if (connecting) return;
  connecting = true;
  if (!kept.conversation) tell(spoken.connecting);
  try {
    const address = await open();
    await catchUp();
    if (address && broken < 3) listen(address);
    else poll();
  } catch (error) {
    if (isOver(error) && !kept.ended) renew();
    else if (isOver(error) || error.code === "denied") refuse(error);
    else later(error);
  } finally {
    connecting = false;
  }
}

function refuse({ code, said }) {
  keep({ outbox: kept.outbox.map((each) => ({ ...each, failed: true })) });
  for (const { id } of kept.outbox) mark(id, "failed");
  wait(false);
  tell("");
  if (code === "denied") draw({ text: said, channelData: { lichen: { kind: "notice" } } }, "sent");
}

// Who was erased, or whose conversation was closed, begins anew as somebody else; what they wrote goes there.
function isOver(error) {
  return ["session_closed", "content_erased", "session_unknown"].includes(error.code);
}

function renew() {
  const alias = given ? `${given}-${crypto.randomUUID().slice(0, 8)}` : undefined;
  keep({ alias, user: null, conversation: null, token: null, ended: true });
  location.reload();
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
  tell(navigator.onLine ? spoken.reconnecting : spoken.offline, "down");
  clearTimeout(timer);
  timer = setTimeout(connect, BACKOFF_MS[Math.min(attempt, BACKOFF_MS.length - 1)] * (0.75 + Math.random() / 2));
  attempt += 1;
}

function stop() {
  const old = socket;
  if (old) old.onclose = null;
  old?.close();
  socket = null;
  attempt = broken = 0;
  clearTimeout(timer);
}

function again() {
  stop();
  if (kept.conversation || kept.outbox.length) connect();
}

// -- sending: shown at once, kept until the server has it, sent again under the same id --

function say(text, files, value) {
  const message = { id: crypto.randomUUID(), text, value, files: files && true };
  const attachments = files ? files.take(message.id) : [];
  keep({ outbox: [...kept.outbox, message] });
  offer([]);
  draw({ type: "message", from: { id: kept.user }, text, attachments, channelData: { clientActivityID: message.id } }, "sending");
  wait(true);
  if (kept.conversation) flush();
  else connect();
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

async function send({ id, text, value, files: has }) {
  const files = has && (await loaded());
  const activity = { type: "message", from: { id: kept.user }, text, value, locale, channelData: { clientActivityID: id } };
  try {
    const line = `${LINE}/conversations/${kept.conversation}`;
    if (files) await files.upload(`${line}/upload`, kept.token, activity, items.get(id), Refused);
    else await ask("POST", `${line}/activities`, activity);
    sent(id);
    return true;
  } catch (error) {
    if (isOver(error) && !kept.ended) {
      renew();
      return false;
    }
    const why = files && files.reason(error);
    if (why || (error.status >= 400 && error.status < 500 && ![401, 403, 408, 429].includes(error.status))) {
      keep({ outbox: kept.outbox.map((each) => (each.id === id ? { ...each, failed: true } : each)) });
      mark(id, "failed", why);
      wait(false);
      return true;
    }
    if (!socket || error.status) later(error);
    else timer = setTimeout(flush, BACKOFF_MS[Math.min(attempt++, BACKOFF_MS.length - 1)]);
    return false;
  }
}

function sent(id) {
  keep({ outbox: kept.outbox.filter((each) => each.id !== id), ended: undefined });
  mark(id, "sent");
}

// -- drawing: text only ever as text --

function take({ activities = [], watermark: mark }) {
  for (const activity of activities) {
    if (activity.type === "typing" && activity.from?.id !== kept.user) speak(activity);
    if (activity.type !== "message" || activity.channelData?.lichen?.kind === "greeting") continue;
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
      offer(activity.from?.id === kept.user ? [] : (activity.suggestedActions?.actions.map((each) => each.title) ?? []));
    }
  }
  if (mark !== undefined && mark !== null) watermark = mark;
}

// Text that is still being made, until the message is there. A line about what goes on stands beside the dots.
function speak(activity) {
  const doing = activity.channelData?.streamType === "informative" ? activity.text : "";
  wait(doing || !activity.text, doing);
  if (doing || !activity.text) return;
  live ??= draw({ ...activity, id: undefined }, "sent");
  live.classList.add("live");
  live.querySelector("p").textContent = activity.text;
}

function draw(activity, state) {
  const mine = activity.from?.id === kept.user;
  const kind = activity.channelData?.lichen?.kind ?? activity.channelData?.kind ?? "message";
  const at = activity.timestamp ? new Date(activity.timestamp) : new Date();
  const log = $("log");
  const isDown = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
  separate(at);
  const item = document.createElement("li");
  const last = $("said").lastElementChild;
  item.className = mine ? "mine" : "theirs";
  if (!last?.classList.contains(item.className)) item.classList.add("turn");
  if (at - new Date(last?.dataset.at ?? 0) < GROUP_MS) last.classList.add("more"); // one time for what was said at once
  if (kind === "notice") item.classList.add("notice");
  if (kind === "reply") item.classList.add("person");
  const text = document.createElement("p");
  text.textContent = activity.text ?? "";
  text.dir = "auto";
  const small = document.createElement("small");
  if (kind === "reply") item.append(by(spoken.person));
  item.append(text, small);
  if (activity.attachments?.length || activity.textFormat === "markdown") loaded().then((files) => files.show(item, activity, state, say));
  item.dataset.at = at.toISOString();
  $("said").append(item);
  for (const id of [activity.id, activity.channelData?.clientActivityID]) if (id) items.set(id, item);
  show(item, state, activity.channelData?.clientActivityID);
  if (isDown || mine) log.scrollTop = log.scrollHeight;
  return item;
}

function by(name) {
  const who = document.createElement("span");
  who.className = "by";
  who.textContent = name;
  return who;
}

function separate(at) {
  const day = at.toDateString();
  const log = $("log");
  if (log.dataset.day === day) return;
  log.dataset.day = day;
  note(day === new Date().toDateString() ? spoken.today : at.toLocaleDateString(locale, { dateStyle: "long" }));
}

function note(text) {
  const item = document.createElement("li");
  item.className = "day";
  item.textContent = text;
  $("said").append(item);
}

function mark(id, state, why) {
  const item = items.get(id);
  if (item) show(item, state, id, why);
}

function show(item, state, id, why) {
  const small = item.querySelector("small");
  const time = new Date(item.dataset.at).toLocaleTimeString(locale, { hour: "2-digit", minute: "2-digit" });
  item.classList.toggle("sending", state === "sending");
  item.classList.toggle("failed", state === "failed");
  small.textContent = { sending: spoken.sending, failed: why ?? spoken.failed }[state] ?? time;
  if (state !== "sending") item.querySelector("progress")?.remove();
  if (state !== "failed" || why) return;
  const retry = document.createElement("button");
  retry.type = "button";
  retry.textContent = spoken.again;
  retry.onclick = () => {
    keep({ outbox: kept.outbox.map((each) => (each.id === id ? { ...each, failed: false } : each)) });
    show(item, "sending", id);
    if (kept.conversation) flush();
    else connect();
  };
  small.append(" ", retry);
}

function wait(on, doing = "") {
  clearTimeout(typing);
  $("typing").hidden = !on;
  $("doing").textContent = doing;
  if (on) typing = setTimeout(() => wait(false), TYPING_MS);
  if (on) $("log").scrollTop = $("log").scrollHeight;
}

function tell(text, line) {
  $("state").textContent = text;
  if (line) document.body.dataset.line = line;
  else delete document.body.dataset.line;
}

// What may be said by pressing a button, until something is.
function offer(texts) {
  $("suggestions").replaceChildren(...texts.map((text) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = text;
    return button;
  }));
  $("suggestions").hidden = !texts.length;
}

function measure() {
  const isLong = new TextEncoder().encode($("text").value.trim()).length > Number(max);
  $("form").querySelector("button:not([type])").disabled = isLong;
  $("long").textContent = isLong ? spoken.long : "";
  $("long").hidden = !isLong;
  return isLong;
}

// -- the page --

$("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = $("text").value.trim();
  const files = loading && (await loading);
  if (!(text || files?.hasAny()) || measure()) return;
  $("text").value = "";
  say(text, files?.hasAny() && files);
  $("text").focus();
});

$("text").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  $("form").requestSubmit();
});

$("text").addEventListener("input", measure);

const choose = async (files) => (await loaded()).choose(files);
$("attach").onclick = () => $("file").click();
$("file").onchange = () => choose([...$("file").files]);
$("text").addEventListener("paste", ({ clipboardData: { files } }) => files.length && choose([...files]));
addEventListener("dragenter", loaded, { once: true });

const first = [...$("suggestions").children].map((each) => each.textContent);
$("suggestions").addEventListener("click", ({ target }) => {
  if (target.type !== "button") return;
  say(target.textContent);
  $("text").focus();
});

$("fresh").addEventListener("click", () => {
  keep({ conversation: null, token: null, outbox: [], ended: undefined });
  watermark = "";
  items.clear();
  live = null;
  $("said").replaceChildren(...opening);
  delete $("log").dataset.day;
  wait(false);
  stop();
  tell("");
  offer(first);
  $("text").focus();
});

window.addEventListener("online", again);
window.visualViewport?.addEventListener("resize", () => {
  document.documentElement.style.setProperty("--height", `${visualViewport.height}px`);
  $("log").scrollTop = $("log").scrollHeight;
});

$("fresh").hidden = false;
if (kept.ended) note(spoken.renewed);
if (!kept.conversation && !kept.outbox.length) offer(first);
if (matchMedia("(pointer: fine)").matches) $("text").focus();
again();
