// A browser without JavaScript: cookies, redirects, and the forms that a person would fill in.
import { createHmac } from "node:crypto";

const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const STEP_SECONDS = 30;
const MOST_PAGES = 15;

export class Browser {
  // person: { email, password, totp_secret }. It stops at any address that begins with `homes`, and
  // at a page that holds `end`.
  constructor({ person, homes, end = /id="nowhere"/ }) {
    this.person = person;
    this.homes = homes;
    this.end = end;
    this.cookies = new Map();
    this.visited = [];
  }

  // Open an address and do what the pages ask, until one of our own addresses is reached.
  async visit(address) {
    let request = { url: new URL(address), method: "GET" };
    for (let pages = 0; pages < MOST_PAGES; pages += 1) {
      if (this.homes.some((home) => request.url.href.startsWith(home))) return request.url;
      const answer = await this.#send(request);
      const location = answer.headers.get("location") ?? refreshOf(answer);
      if (location !== null) {
        request = { url: new URL(location, request.url), method: "GET" };
        continue;
      }
      const html = await answer.text();
      if (answer.status === 200 && this.end.test(html)) return request.url;
      request = await this.#fillIn(request.url, answer.status, html);
    }
    throw new Error(`no end after ${MOST_PAGES} pages: ${this.visited.join(" -> ")}`);
  }

  async #send({ url, method, form }) {
    this.visited.push(`${method} ${url.pathname}`);
    const headers = {
      cookie: [...this.cookies].map(([name, value]) => `${name}=${value}`).join("; "),
      accept: "text/html",
      "user-agent": "interop",
    };
    if (form) headers.origin = url.origin;
    const answer = await fetch(url, { method, headers, body: form, redirect: "manual" });
    for (const cookie of answer.headers.getSetCookie()) {
      const [, name, value] = cookie.match(/^([^=]+)=([^;]*)/);
      if (value === "" || /max-age=0\b/i.test(cookie)) this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
    return answer;
  }

  async #fillIn(page, status, html) {
    const form = formsOf(html).find(({ fields, buttons }) =>
      ["login", "code", "user_code"].some((name) => fields.has(name)) ||
      buttons.some(({ name }) => name === "decision"),
    ) ?? formsOf(html).find(({ fields, method }) => fields.get("prompt") && method === "post");
    if (status !== 200 || !form) {
      const words = html.replace(/<(script|style|head)[\s\S]*?<\/\1>/g, "").replace(/<[^>]+>/g, " ");
      throw new Error(`stuck at ${page} (${status}): ${words.replace(/\s+/g, " ").slice(0, 400)}`);
    }
    const { fields } = form;
    if (fields.has("login")) fields.set("login", this.person.email);
    if (fields.has("password")) fields.set("password", this.person.password);
    if (fields.has("code")) fields.set("code", await this.#freshCode());
    const consent = form.buttons.find(({ name }) => name === "decision");
    if (consent) fields.set("decision", "allow");
    return {
      url: new URL(form.action || page, page),
      method: "POST",
      form: new URLSearchParams([...fields]),
    };
  }

  // A code may be used once: a second one waits for the next step of the clock.
  async #freshCode() {
    const step = Math.floor(Date.now() / 1000 / STEP_SECONDS);
    if (step === this.lastStep) {
      await new Promise((done) => setTimeout(done, (step + 1) * STEP_SECONDS * 1000 - Date.now()));
      return this.#freshCode();
    }
    this.lastStep = step;
    return totp(this.person.totp_secret, step);
  }
}

// Where a page moves on to by itself: the answer to a form never redirects to another origin.
function refreshOf(answer) {
  return answer.headers.get("refresh")?.match(/^0;url=(.*)$/)?.[1] ?? null;
}

// RFC 6238: HMAC-SHA-1, six digits.
export function totp(secret, step) {
  let bits = "";
  for (const letter of secret.replace(/[\s=]/g, "").toUpperCase()) {
    bits += BASE32.indexOf(letter).toString(2).padStart(5, "0");
  }
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => Number.parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(step));
  const mac = createHmac("sha1", key).update(counter).digest();
  const number = mac.readUInt32BE(mac[19] & 15) & 0x7fffffff;
  return String(number % 1_000_000).padStart(6, "0");
}

// Enough of HTML for pages that we wrote ourselves.
function formsOf(html) {
  return [...html.matchAll(/<form\b([^>]*)>([\s\S]*?)<\/form>/gi)].map(([, attributes, inside]) => {
    const fields = new Map();
    for (const [, text] of inside.matchAll(/<input\b([^>]*)>/gi)) {
      const { name, type = "text", value = "" } = attributesOf(text);
      const ticked = !["checkbox", "radio"].includes(type) || /\bchecked\b/.test(text);
      if (name && ticked && type !== "submit") fields.set(name, value);
    }
    const buttons = [...inside.matchAll(/<button\b([^>]*)>/gi)].map(([, text]) => attributesOf(text));
    const { action = "", method = "get" } = attributesOf(attributes);
    return { action, method: method.toLowerCase(), fields, buttons };
  });
}

function attributesOf(text) {
  const pairs = text.matchAll(/([\w-]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))/g);
  return Object.fromEntries(
    [...pairs].map(([, name, ...values]) => [
      name.toLowerCase(),
      unescaped(values.find((value) => value !== undefined)),
    ]),
  );
}

function unescaped(text) {
  return text
    .replace(/&quot;/g, '"')
    .replace(/&#x27;|&#39;/g, "'")
    .replace(/&lt;/g, "<")
    .replace(/&gt;/g, ">")
    .replace(/&amp;/g, "&");
}
