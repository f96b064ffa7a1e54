// Tells an application's frame whether this browser is still signed in as it was: "unchanged",
// "changed", or "error" where that cannot be known (OpenID Connect Session Management 1.0 §3.2).
// The asker's origin is part of the hash: whoever asks from elsewhere learns nothing.

const MESSAGE = /^([!-~]+) ([0-9a-f]{64})\.([\w-]+)$/;

function browserState() {
  const before = `${document.body.dataset.cookie}=`;
  const cookie = document.cookie.split("; ").find((each) => each.startsWith(before));
  return cookie?.slice(before.length) ?? "";
}

async function hash(text) {
  const bytes = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function judge(message, origin) {
  const [, clientId, said, salt] = MESSAGE.exec(message) ?? [];
  if (!salt || !crypto.subtle) return "error";
  const state = browserState();
  // Kept apart from our cookies we know nothing. "changed" would make the application ask for ever.
  if (!state && document.hasStorageAccess && !(await document.hasStorageAccess())) return "error";
  return (await hash(`${clientId} ${origin} ${state} ${salt}`)) === said ? "unchanged" : "changed";
}

window.addEventListener("message", async ({ data, origin, source }) => {
  if (!source || !origin.startsWith("http")) return;
  source.postMessage(await judge(typeof data === "string" ? data : "", origin), origin);
});
