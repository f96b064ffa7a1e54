// A browser as a device: a key that cannot be copied out (WebCrypto, kept in IndexedDB), enrolment by
// it, and reports signed with it. A browser sees next to nothing of its machine, and says so.

const STORE = "keys";
const CURVE = { name: "ECDSA", namedCurve: "P-256" };
const SIGNING = { name: "ECDSA", hash: "SHA-256" };
const UNSEEN = [
  "os_patch_age", "disk_encryption", "screen_lock", "endpoint_protection", "firewall", "secure_boot",
  "managed", "no_known_exploited_vulnerability", "rooted",
];
const PLATFORMS = { linux: "linux", macos: "macos", windows: "windows", "chrome os": "chromeos", chromeos: "chromeos", android: "android", ios: "ios" };

function open() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open("sallyport-device", 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

async function inStore(mode, act) {
  const database = await open();
  try {
    return await new Promise((resolve, reject) => {
      const transaction = database.transaction(STORE, mode);
      const request = act(transaction.objectStore(STORE));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onerror = () => reject(transaction.error);
      transaction.onabort = () => reject(transaction.error);
    });
  } finally {
    database.close();
  }
}

const kept = (id) => inStore("readonly", (store) => store.get(id));
const keep = (id, value) => inStore("readwrite", (store) => store.put(value, id));

function base64url(bytes) {
  return btoa(String.fromCharCode(...new Uint8Array(bytes))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

const encoded = (value) => base64url(new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value)));

async function sign(key, header, claims) {
  const text = `${encoded({ alg: "ES256", ...header })}.${encoded(claims)}`;
  const signature = await crypto.subtle.sign(SIGNING, key, new TextEncoder().encode(text));
  return `${text}.${base64url(signature)}`;
}

async function thumbprint(jwk) {
  const members = JSON.stringify({ crv: jwk.crv, kty: jwk.kty, x: jwk.x, y: jwk.y }); // RFC 7638 §3
  return base64url(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(members)));
}

class Refused extends Error {}

// The session's own key, where the server asks for it: see binding.js.
async function keyShown() {
  const proofs = [];
  document.dispatchEvent(new CustomEvent("sallyport:prove", { detail: { proofs, again: true } }));
  await Promise.all(proofs);
}

async function post(url, type, body, { headers = {}, again = false } = {}) {
  let response;
  try {
    response = await fetch(url, { method: "POST", headers: { "Content-Type": type, ...headers }, body });
  } catch {
    throw new Refused("The server could not be reached. Try again in a moment.");
  }
  if (!response.headers.get("Content-Type")?.startsWith("application/json")) {
    throw new Refused("This page is out of date. Load it again.");
  }
  const answer = await response.json();
  if (answer.error === "proof_required" && !again) {
    await keyShown();
    return post(url, type, body, { headers, again: true });
  }
  if (!response.ok) throw new Refused(answer.error_description ?? answer.detail);
  return answer;
}

const seconds = () => Math.floor(Date.now() / 1000);

function platform() {
  const named = (navigator.userAgentData?.platform || navigator.platform || "").toLowerCase();
  const found = Object.keys(PLATFORMS).find((name) => named.startsWith(name));
  if (found) return PLATFORMS[found];
  if (named.startsWith("mac")) return "macos";
  if (named.startsWith("win")) return "windows";
  return named.startsWith("iph") || named.startsWith("ipad") ? "ios" : "other";
}

async function enrol(form) {
  const pair = await crypto.subtle.generateKey(CURVE, false, ["sign", "verify"]);
  const { kty, crv, x, y } = await crypto.subtle.exportKey("jwk", pair.publicKey);
  const jwk = { kty, crv, x, y };
  const proof = await sign(pair.privateKey, { typ: "enrolment+jwt" }, { aud: form.dataset.issuer, iat: seconds(), jti: crypto.randomUUID() });
  const body = { public_jwk: jwk, name: form.elements.namedItem("name").value, platform: platform(), key_storage: "browser", proof };
  const csrf = form.querySelector("input[name=csrfmiddlewaretoken]").value;
  const device = await post(window.location.pathname, "application/json", JSON.stringify(body), { headers: { "X-CSRFToken": csrf } });
  await keep(device.device_id, { key: pair.privateKey, kid: await thumbprint(jwk), seq: 0 });
  await report(device.device_id, { issuer: form.dataset.issuer, nonceUrl: device.nonce_uri, reportsUrl: device.posture_uri });
  window.location.assign(device.page);
}

async function report(id, { issuer, nonceUrl, reportsUrl }) {
  const mine = await kept(id);
  const { nonce } = await post(nonceUrl, "application/json", "{}");
  const seq = Math.max(mine.seq + 1, Date.now());
  await keep(id, { ...mine, seq });
  const observed_at = new Date().toISOString().replace(/\.\d+Z$/, "Z");
  const checks = [{ id: "hardware_key", status: "fail", observed_at }, ...UNSEEN.map((name) => ({ id: name, status: "missing", observed_at }))];
  const os = { name: platform(), version: "" };
  const claims = { iss: id, aud: issuer, iat: seconds(), jti: crypto.randomUUID(), nonce, seq, schema: 1, os, checks };
  return post(reportsUrl, "application/jwt", await sign(mine.key, { typ: "posture+jwt", kid: mine.kid }, claims));
}

async function attempt(button, act) {
  const place = document.querySelector("[data-device-error]");
  place.hidden = true;
  button.disabled = true;
  button.setAttribute("aria-busy", "true");
  try {
    await act();
  } catch (error) {
    place.textContent = error instanceof Refused ? error.message : "That did not work. Try again, or use the agent.";
    place.hidden = false;
  } finally {
    button.disabled = false;
    button.removeAttribute("aria-busy");
  }
}

const form = document.querySelector("[data-enrol-browser]");
const isAble = Boolean(window.isSecureContext && window.crypto?.subtle && window.indexedDB);
if (form && isAble) {
  form.hidden = false;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(form.querySelector("button[type=submit]"), () => enrol(form));
  });
} else if (form) {
  document.querySelector("[data-enrol-missing]").hidden = false;
}

const button = document.querySelector("[data-report-device]");
if (button && isAble && (await kept(button.dataset.reportDevice).catch(() => null))) {
  button.hidden = false;
  button.addEventListener("click", () => attempt(button, async () => {
    await report(button.dataset.reportDevice, button.dataset);
    window.location.reload();
  }));
}
