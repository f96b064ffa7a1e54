// What every script here begins and ends with.
//
//   node <script>.mjs SCENE_JSON
//
// SCENE_JSON is the demo.json that a running Sallyport wrote, with what the test has added to it.
// Prints one JSON line for each step and ends with 0, or says where it stopped and ends with 1.
import { readFileSync } from "node:fs";

export const scene = JSON.parse(readFileSync(process.argv[2], "utf8"));

// Run the steps in order; `this` is one object that they share.
export async function play(steps) {
  const memory = {};
  for (const [name, step] of Object.entries(steps)) {
    try {
      console.log(JSON.stringify({ step: name, ...(await step.call(memory)) }));
    } catch (error) {
      const cause = error.cause?.message ?? (error.cause ? JSON.stringify(error.cause) : "");
      console.error(`${name}: ${error.stack} ${error.error_description ?? ""} ${cause}`);
      process.exit(1);
    }
  }
}

// The OAuth error code with which a request was refused; "granted" if it was not.
export async function refusal(request) {
  try {
    await request;
  } catch (error) {
    return error.error ?? error.cause?.error ?? String(error);
  }
  return "granted";
}

// The claims of a JWT that somebody else verifies.
export function claimsOf(jwt) {
  return JSON.parse(Buffer.from(jwt.split(".")[1], "base64url"));
}

// `cnf.jkt` for this key (RFC 7638, of an EC key).
export async function thumbprint(publicKey) {
  const { crv, kty, x, y } = await crypto.subtle.exportKey("jwk", publicKey);
  const text = new TextEncoder().encode(JSON.stringify({ crv, kty, x, y }));
  return Buffer.from(await crypto.subtle.digest("SHA-256", text)).toString("base64url");
}

// A key to authenticate and sign requests with: the pair, its id, and its public half to register.
export async function newSigningKey() {
  const pair = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, [
    "sign",
    "verify",
  ]);
  const { crv, kty, x, y } = await crypto.subtle.exportKey("jwk", pair.publicKey);
  const kid = "interop-1";
  return { key: pair.privateKey, kid, jwk: { crv, kty, x, y, kid, alg: "ES256", use: "sig" } };
}

// A key whose private half the test has registered the public half of.
export async function importSigningKey({ kid, ...jwk }) {
  const algorithm = { name: "ECDSA", namedCurve: "P-256" };
  return { kid, key: await crypto.subtle.importKey("jwk", jwk, algorithm, false, ["sign"]) };
}
