// The retriever: logs in, lists containers and files, and fetches a file. Each request is shown. Nothing is stored.

const PAGE = 1000; // names in one list
const TEXT = 64 * 1024; // bytes of text that are shown
const IMAGES = new Set(["image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/bmp", "image/svg+xml"]);
const $ = (id) => document.getElementById(id);

let settings = { page: location.origin, keystone: "", swift: "", user: "" };
let session = null; // { url, token, who }
let shown = ""; // the blob of the file that is shown
let turn = 0; // counts what the user chose, so that a slow answer does not replace a later one

class Trouble extends Error {}

// -- requests --------------------------------------------------------------------------------------------------------

async function ask(method, url, headers = {}, body = undefined) {
  const row = note(method, url);
  const begun = performance.now();
  let answer;
  try {
    answer = await fetch(url, { method, headers, body, credentials: "omit", cache: "no-store", redirect: "error" });
  } catch {
    row("no answer", performance.now() - begun, true);
    const where = new URL(url).origin;
    throw new Trouble(`${where} does not answer this page. Open ${where} in a tab: the browser may not trust its certificate yet.`);
  }
  const content = await answer.blob();
  row(`${answer.status} ${answer.statusText}`.trim(), performance.now() - begun, !answer.ok);
  if (answer.status === 401 && session) leave();
  if (!answer.ok) throw new Trouble(answer.status === 401 ? "The login was refused." : `${method} ${url}: ${answer.status}`);
  return { headers: answer.headers, content };
}

function note(method, url) {
  const row = $("requests").insertRow();
  for (const text of [method, url, "…", ""]) row.insertCell().textContent = text;
  row.scrollIntoView({ block: "nearest" });
  return (status, ms, bad) => {
    row.cells[2].textContent = status;
    row.cells[3].textContent = `${Math.round(ms)} ms`;
    row.classList.toggle("bad", bad);
  };
}

const stored = (path, query = "") => ask("GET", session.url + path + query, { "X-Auth-Token": session.token });
const quoted = (name) => name.split("/").map(encodeURIComponent).join("/");

// -- log in ----------------------------------------------------------------------------------------------------------

async function byKeystone(form) {
  const domain = { name: form.domain.value };
  const user = { name: form.user.value, domain, password: form.password.value };
  const scope = { project: { name: form.project.value, domain } };
  const body = JSON.stringify({ auth: { identity: { methods: ["password"], password: { user } }, scope } });
  const { headers, content } = await ask("POST", `${base(form)}/auth/tokens`, { "Content-Type": "application/json" }, body);
  const { token } = JSON.parse(await content.text());
  const stores = token.catalog.filter((one) => one.type === "object-store").flatMap((one) => one.endpoints);
  const store = stores.find((one) => one.interface === "public");
  if (!store) throw new Trouble("Keystone's catalogue has no object store.");
  return { url: store.url, token: headers.get("X-Subject-Token") };
}

async function bySwift(form) {
  const known = { "X-Storage-User": form.user.value, "X-Storage-Pass": form.password.value };
  const { headers } = await ask("GET", `${base(form)}/auth/v1.0`, known);
  return { url: headers.get("X-Storage-Url"), token: headers.get("X-Auth-Token") };
}

const base = (form) => form.url.value.replace(/\/+$/, "");

function choseWay() {
  const old = $("login").elements.way.value === "v1";
  $("scope").hidden = old;
  $("url").value = old ? settings.swift : settings.keystone;
  $("user").value = old ? settings.user : "admin";
}

async function enter(event) {
  event.preventDefault();
  const form = $("login").elements;
  const button = $("login").querySelector("button");
  button.disabled = true;
  await tell("Logging in …", async () => {
    const found = await (form.way.value === "v1" ? bySwift(form) : byKeystone(form));
    if (!found.url || !found.token) throw new Trouble("The answer has no token, or the browser hides it.");
    session = { url: found.url.replace(/\/+$/, ""), token: found.token };
    form.password.value = "";
    $("who").textContent = form.user.value;
    $("door").hidden = true;
    $("inside").hidden = $("leave").hidden = false;
    await listContainers("");
    $("containers-title").focus();
  });
  button.disabled = false;
}

function leave() {
  turn += 1;
  session = null;
  forget();
  $("containers").replaceChildren();
  $("files").replaceChildren();
  $("files-title").textContent = "Files";
  $("who").textContent = "";
  $("inside").hidden = $("leave").hidden = true;
  $("door").hidden = false;
  $("user").focus();
}

// -- lists -----------------------------------------------------------------------------------------------------------

async function list(place, more, path, marker, line) {
  const mine = turn;
  const query = `?format=json&limit=${PAGE}${marker ? `&marker=${encodeURIComponent(marker)}` : ""}`;
  const { content } = await stored(path, query);
  const found = JSON.parse((await content.text()) || "[]").filter((one) => one.name !== undefined);
  if (mine !== turn) return;
  if (!marker) place.replaceChildren();
  place.append(...found.map(line));
  if (!place.children.length) place.append(Object.assign(document.createElement("li"), { className: "quiet", textContent: "None." }));
  more.hidden = found.length < PAGE;
  more.onclick = () => tell("", () => list(place, more, path, found.at(-1).name, line));
}

function item(name, side, chosen) {
  const line = document.createElement("li");
  const button = document.createElement("button");
  button.type = "button";
  button.append(Object.assign(document.createElement("span"), { className: "name", textContent: name }));
  button.append(Object.assign(document.createElement("span"), { className: "size", textContent: side }));
  button.addEventListener("click", () => {
    for (const other of line.parentElement.querySelectorAll("[aria-current]")) other.removeAttribute("aria-current");
    button.setAttribute("aria-current", "true");
    turn += 1;
    tell("Asking …", chosen);
  });
  line.append(button);
  return line;
}

const listContainers = (marker) =>
  list($("containers"), $("more-containers"), "", marker, (one) => item(one.name, `${one.count}`, () => listFiles(one.name)));

async function listFiles(container) {
  forget();
  $("files-title").textContent = `Files of ${container}`;
  const line = (one) => item(one.name, size(one.bytes), () => show(container, one.name));
  await list($("files"), $("more-files"), `/${quoted(container)}`, "", line);
  $("files-title").focus();
}

// -- a file ----------------------------------------------------------------------------------------------------------

function forget() {
  if (shown) URL.revokeObjectURL(shown);
  shown = "";
  $("file-title").textContent = "File";
  $("facts").replaceChildren();
  $("preview").replaceChildren(Object.assign(document.createElement("p"), { className: "quiet", textContent: "Choose a file." }));
}

async function show(container, name) {
  const mine = turn;
  const { headers, content } = await stored(`/${quoted(container)}/${quoted(name)}`);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await content.arrayBuffer()));
  const kind = (headers.get("Content-Type") || "").split(";")[0].trim();
  const text = kind.startsWith("text/") || kind === "application/json" ? await content.slice(0, TEXT).text() : "";
  if (mine !== turn) return;
  forget();
  shown = URL.createObjectURL(new Blob([content], { type: IMAGES.has(kind) ? kind : "application/octet-stream" }));
  $("file-title").textContent = name;
  $("preview").replaceChildren(await preview(kind, name, text));
  const link = Object.assign(document.createElement("a"), { href: shown, download: name.split("/").at(-1), textContent: "Save" });
  facts({ Type: kind || "not known", Size: size(content.size), "SHA-256": hex(digest) });
  $("preview").append(Object.assign(document.createElement("p"), { className: "save" }));
  $("preview").lastElementChild.append(link);
  $("file-title").focus();
}

async function preview(kind, name, text) {
  if (IMAGES.has(kind)) {
    const image = Object.assign(new Image(), { alt: name, src: shown });
    await image.decode().catch(() => { throw new Trouble(`${name} is no picture that this browser can show.`); });
    return image;
  }
  if (text) return Object.assign(document.createElement("pre"), { textContent: text, tabIndex: 0 });
  return Object.assign(document.createElement("p"), { className: "quiet", textContent: "No preview for this kind of file." });
}

function facts(known) {
  for (const [name, value] of Object.entries(known)) {
    $("facts").append(Object.assign(document.createElement("dt"), { textContent: name }), document.createElement("dd"));
    $("facts").lastElementChild.append(value);
  }
}

const hex = (bytes) => Array.from(bytes, (one) => one.toString(16).padStart(2, "0")).join("");

function size(bytes) {
  const unit = bytes < 1024 ? 0 : Math.min(4, Math.floor(Math.log2(bytes) / 10));
  return `${(bytes / 1024 ** unit).toFixed(unit ? 1 : 0)} ${["B", "KiB", "MiB", "GiB", "TiB"][unit]}`;
}

// -- the page --------------------------------------------------------------------------------------------------------

async function tell(text, what) {
  const status = $("status");
  status.className = "";
  status.textContent = text;
  try {
    await what();
    status.textContent = "";
  } catch (error) {
    if (!(error instanceof Trouble)) console.error(error);
    status.className = "bad";
    status.textContent = error.message;
  }
}

async function begin() {
  const { content } = await ask("GET", new URL("settings.json", location.href).href);
  settings = { ...settings, ...JSON.parse(await content.text()) };
  // The services answer only this origin. Who came by another name of the node goes there.
  if (location.origin !== settings.page) location.replace(settings.page);
  for (const way of $("login").elements.way) way.addEventListener("change", choseWay);
  $("login").addEventListener("submit", enter);
  $("leave").addEventListener("click", leave);
  choseWay();
  $("user").focus();
}

tell("", begin);
