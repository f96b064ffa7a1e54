// Binds the session of this browser to a key that cannot be exported (WebCrypto), and shows that
// the key is still here: before the bound cookie ends, before a form is sent, and when a page asks.
// Browsers that speak DBSC do all of this by themselves; the server then has nothing for us to do.

const ORDERS = document.getElementById("binding").dataset;
const ENDPOINTS = "/sessions/binding/";
const ALGORITHM = { name: "ECDSA", namedCurve: "P-256" };
const SIGNATURE = { name: "ECDSA", hash: "SHA-256" };
const LASTS = 600 * 1000;
const MARGIN = 120 * 1000; // so long before its end the cookie is renewed
const FRESH = 60 * 1000; // so old may a proof be when something is sent
const LOOK_EVERY = 15 * 1000;
const WAIT = 300;
const STORE = "keys";
const HELD = "session"; // there is one key for each browser: that of its session
const SHARED = "sallyport-proven-at"; // so that the tabs of a browser prove once for all
const TRIED = "sallyport-proof-tried";

let endsAt = Date.now() + Number(ORDERS.left ?? 0) * 1000;
let triedAt = 0;

// --- what is kept here -----------------------------------------------------------------------

function answerOf(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

async function inStore(mode, act) {
  const opening = indexedDB.open("sallyport", 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
  const database = await answerOf(opening);
  try {
    return await answerOf(act(database.transaction(STORE, mode).objectStore(STORE)));
  } finally {
    database.close();
  }
}

const heldKey = () => inStore("readonly", (store) => store.get(HELD));
const holdKey = (key) => inStore("readwrite", (store) => store.put(key, HELD));
const forgetKey = () => inStore("readwrite", (store) => store.delete(HELD));

function remember(storage, name, value) {
  try {
    storage.setItem(name, value);
  } catch {
    // Storage may be refused; each tab then proves for itself.
  }
}

function recall(storage, name) {
  try {
    return Number(storage.getItem(name) ?? 0);
  } catch {
    return 0;
  }
}

// --- proofs ----------------------------------------------------------------------------------

function encode(bytes) {
  const text = btoa(String.fromCharCode(...new Uint8Array(bytes)));
  return text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

async function signed(key, header, claims) {
  const parts = [{ typ: "webcrypto+jwt", alg: "ES256", ...header }, claims];
  const text = parts.map((part) => encode(new TextEncoder().encode(JSON.stringify(part)))).join(".");
  const signature = await crypto.subtle.sign(SIGNATURE, key.privateKey, new TextEncoder().encode(text));
  return `${text}.${encode(signature)}`;
}

async function post(name, body) {
  const response = await fetch(`${ENDPOINTS}${name}/`, {
    method: "POST",
    headers: { "Content-Type": "application/jwt" },
    body,
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error);
  return answer;
}

async function register(challenge) {
  // One that is held already may be registered: a page that is left does not hear of it.
  const key = (await heldKey()) ?? (await crypto.subtle.generateKey(ALGORITHM, false, ["sign"]));
  const { kty, crv, x, y } = await crypto.subtle.exportKey("jwk", key.publicKey);
  await holdKey(key); // first: an answer that is lost must not leave a session without its key
  return post("registration", await signed(key, { jwk: { kty, crv, x, y } }, { jti: challenge }));
}

async function prove(challenge) {
  const key = await heldKey();
  if (!key) throw new Error("no_key");
  return post("proof", await signed(key, {}, { jti: challenge }));
}

async function settleAlone() {
  for (;;) {
    const { purpose, challenge } = await post("challenge", "");
    if (purpose === "none") return false;
    if (purpose === "wait") {
      await new Promise((resolve) => { window.setTimeout(resolve, WAIT); });
      continue;
    }
    const { lasts } = await (purpose === "proof" ? prove(challenge) : register(challenge));
    endsAt = Date.now() + lasts * 1000;
    remember(localStorage, SHARED, Date.now());
    return true;
  }
}

let settling = null; // what this page has under way

/** Do what the server asks for. One tab at a time: another would overwrite the key of the first. */
function settle() {
  const under = navigator.locks
    ? navigator.locks.request("sallyport-binding", settleAlone)
    : settleAlone();
  settling = under;
  const over = () => { if (settling === under) settling = null; };
  under.then(over, over);
  return under;
}

// --- keeping the cookie alive ----------------------------------------------------------------

const isFresh = () => Date.now() - Math.max(triedAt, recall(localStorage, SHARED)) < FRESH;

async function renew() {
  endsAt = Math.max(endsAt, recall(localStorage, SHARED) + LASTS);
  if (document.visibilityState !== "visible" || Date.now() < endsAt - MARGIN) return;
  try {
    await settle();
  } catch {
    // Offline, perhaps. The next page asks again.
  }
}

async function proveBefore({ again = false } = {}) {
  // An answer that comes after the page is left is lost, and its cookie with it.
  if (settling) await settling.catch(() => {});
  if (isFresh() && !again) return;
  triedAt = Date.now(); // once is enough: then the form goes, and the server decides what comes of it
  try {
    await settle();
  } catch {
    // Offline, or the key is gone.
  }
}

function keep() {
  window.setInterval(renew, LOOK_EVERY);
  document.addEventListener("visibilitychange", renew);
  // What is sent cannot be asked for again: prove first, then send it.
  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (form.method !== "post" || event.defaultPrevented) return;
    if (settling || !isFresh()) {
      event.preventDefault();
      event.stopImmediatePropagation();
      await proveBefore();
      form.requestSubmit(event.submitter);
    } else if (form.hasAttribute("data-forget-key")) forgetKey().catch(() => {});
  }, true);
  // Other scripts wait for the promises that they are given, and ask again where the server says that
  // it has seen no proof: one that was made on a page just left may have been overtaken.
  document.addEventListener("sallyport:prove", (event) => {
    const { proofs, again } = event.detail;
    proofs.push(proveBefore({ again }));
  });
}

// --- the page that asks for the key ----------------------------------------------------------

function show(name) {
  for (const part of document.querySelectorAll("[data-prove]")) {
    part.hidden = part.dataset.prove !== name;
  }
}

async function askForKey() {
  const { kind, read } = ORDERS;
  // A key that is shown and asked for again at once is not what is missing.
  const again = Date.now() - recall(sessionStorage, TRIED) < 10 * 1000;
  if (again) {
    remember(sessionStorage, TRIED, 0);
    return show("failed");
  }
  show("working");
  remember(sessionStorage, TRIED, Date.now());
  try {
    // A browser that speaks DBSC refreshes by itself when a page of ours asks for one.
    if (kind !== "dbsc" && !(await settle()) && kind !== "none") throw new Error("no_key");
  } catch {
    return show("failed");
  }
  if (!read) return show("again");
  return window.location.replace(window.location.href);
}

if (ORDERS.binding === "ask") {
  document.querySelector("[data-back]")?.addEventListener("click", () => window.history.back());
  askForKey();
} else {
  keep();
  if (ORDERS.binding === "register") settle().catch(() => {});
}
