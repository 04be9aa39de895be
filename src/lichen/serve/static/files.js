// Files of the chat page, loaded with the first of them: chosen, dropped or pasted, shown, sent, and why one was not taken.

const COUNT_MAX = 10;
const CARD = "application/vnd.microsoft.card.adaptive";
const SHOWN = ["image/png", "image/jpeg", "image/gif", "image/webp"];

const $ = (id) => document.getElementById(id);
const style = document.createElement("link");
Object.assign(style, { rel: "stylesheet", href: document.body.dataset.look });
document.head.append(style);

let chosen = []; // what goes with the next message
const carried = new Map(); // the files of messages that are not sent yet, which outlive no reload
let spoken;

for (const kind of ["dragover", "dragleave", "drop"]) {
  addEventListener(kind, (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    document.body.classList.toggle("dropping", kind === "dragover");
    if (kind === "drop") choose([...event.dataTransfer.files]);
  });
}

export function speak(words) {
  spoken = words;
}

export async function choose(files) {
  $("file").value = "";
  const more = await Promise.all([...files].map(async (file) => ({ file, preview: await preview(file) })));
  const all = [...chosen, ...more];
  const size = all.reduce((sum, { file }) => sum + file.size, 0);
  const isMuch = all.length > COUNT_MAX || size > Number(document.body.dataset.filesMax);
  hint(isMuch ? spoken.large : "");
  if (isMuch) return;
  chosen = all;
  list();
}

function preview(file) {
  if (!SHOWN.includes(file.type)) return undefined;
  return new Promise((resolve) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => resolve(undefined);
    reader.readAsDataURL(file);
  });
}

function list() {
  $("files").replaceChildren(...chosen.map((each) => {
    const item = document.createElement("li");
    const drop = document.createElement("button");
    Object.assign(drop, { type: "button", textContent: "×", ariaLabel: `${spoken.remove}: ${each.file.name}` });
    drop.onclick = () => { chosen = chosen.filter((other) => other !== each); list(); $("text").focus(); };
    item.append(drawn({ contentType: each.file.type, contentUrl: each.preview, name: each.file.name }), drop);
    return item;
  }));
  $("files").hidden = !chosen.length;
  $("text").required = !chosen.length;
}

function hint(text) {
  $("long").textContent = text;
  $("long").hidden = !text;
}

export const hasAny = () => chosen.length > 0;

// What was chosen goes with the message of this id; gives how it is drawn.
export function take(id) {
  carried.set(id, chosen.map(({ file }) => file));
  const attachments = chosen.map(({ file, preview: url }) => ({ contentType: file.type, name: file.name, contentUrl: url }));
  chosen = [];
  list();
  return attachments;
}

// What a message shows beside its words: cards, and files, of which a picture is shown, anything else only named; a
// click keeps it. A card is answered by `say`.
export function show(item, { attachments = [], channelData }, state, say) {
  const small = item.querySelector("small");
  const made = channelData?.lichen;
  if (made?.paras || made?.blocks) import("./cards.js").then((cards) => cards.show(item, made, say));
  const files = attachments.filter(({ contentType }) => contentType !== CARD);
  for (const file of files) if (file.contentUrl || file.name) small.before(drawn(file));
  if (state !== "sending" || !files.length) return;
  const bar = document.createElement("progress");
  bar.ariaLabel = spoken.sending;
  small.before(bar);
}

function drawn({ contentType, contentUrl, name }) {
  const link = document.createElement(contentUrl ? "a" : "span");
  Object.assign(link, { className: "file", title: name ?? "", ariaLabel: name || contentType });
  if (contentUrl) Object.assign(link, { href: contentUrl, download: name ?? "" });
  if (contentUrl && SHOWN.includes(contentType)) {
    const picture = document.createElement("img");
    Object.assign(picture, { src: contentUrl, alt: name ?? "" });
    link.append(picture);
  } else {
    link.textContent = name || contentType || "";
  }
  return link;
}

// An upload as Direct Line has it, which the bar of its item follows. Rejects with what the server said.
export function upload(address, token, activity, item, Refused) {
  const id = activity.channelData.clientActivityID;
  if (!carried.has(id)) return Promise.reject(new Refused(400, { code: "gone" }));
  const form = new FormData();
  form.append("activity", new Blob([JSON.stringify(activity)], { type: "application/vnd.microsoft.activity" }));
  for (const file of carried.get(id)) form.append("file", file, file.name);
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", address);
    request.setRequestHeader("authorization", `Bearer ${token}`);
    request.responseType = "json";
    request.upload.onprogress = ({ loaded, total }) => {
      const bar = item?.querySelector("progress");
      if (bar) bar.value = loaded / total;
    };
    request.onload = () => {
      if (request.status >= 300) return reject(new Refused(request.status, request.response?.error));
      carried.delete(id);
      return resolve();
    };
    request.onerror = () => reject(new TypeError("no connection"));
    request.send(form);
  });
}

// Why files were not taken, in words; nothing where the server may take them later.
export function reason({ code }) {
  if (["attachments_too_large", "body_too_large", "attachments_too_many"].includes(code)) return spoken.large;
  if (["attachment_mismatch", "attachment_invalid", "attachments_unsupported"].includes(code)) return spoken.unfit;
  return { file_bytes: spoken.full, gone: spoken.gone }[code];
}
