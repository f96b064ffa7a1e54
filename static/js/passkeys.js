// Passkeys in the browser: the buttons, autofill on the sign-in page, and telling the browser which
// passkeys are still known here (Signal API). The server decides everything; this only carries.

const READY =
  window.PublicKeyCredential &&
  typeof PublicKeyCredential.parseRequestOptionsFromJSON === "function" &&
  typeof PublicKeyCredential.parseCreationOptionsFromJSON === "function";

// A challenge lives five minutes: a page that stays open asks for a new one in time.
const RENEW_AFTER = 4 * 60 * 1000;
const WORDS = {
  NotAllowedError: "Nothing was confirmed. Try again, or use another way.",
  InvalidStateError: "This device has a passkey for this account already.",
  SecurityError: "Passkeys do not work at this address.",
  offline: "The server could not be reached. Try again in a moment.",
  stale: "This page is out of date. Load it again.",
  busy: "Too many attempts. Please wait a while and try again.",
};

class Refused extends Error {
  constructor(answer) {
    super(answer.detail);
    this.code = answer.error;
  }
}

let waiting = null; // the autofill request, which has to end before another one begins

// A session that is bound to a key shows it before something sensitive is asked: see binding.js.
async function keyShown(again) {
  const proofs = [];
  document.dispatchEvent(new CustomEvent("sallyport:prove", { detail: { proofs, again } }));
  await Promise.all(proofs);
}

async function post(url, body, { follow = true, again = false } = {}) {
  await keyShown(again);
  let response;
  try {
    response = await fetch(url, {
      method: "POST",
      headers: {
        "Content-Type": "application/json",
        "X-CSRFToken": document.querySelector("input[name=csrfmiddlewaretoken]")?.value ?? "",
      },
      body: JSON.stringify(body),
    });
  } catch {
    throw new Refused({ error: "offline", detail: WORDS.offline });
  }
  if (!response.headers.get("Content-Type")?.startsWith("application/json")) {
    const error = response.status === 429 ? "busy" : "stale";
    throw new Refused({ error, detail: WORDS[error] });
  }
  const answer = await response.json();
  if (answer.error === "proof_required" && !again) return post(url, body, { follow, again: true });
  if (!response.ok) throw new Refused(answer);
  if (answer.redirect && follow) {
    window.location.assign(answer.redirect);
    return new Promise(() => {});
  }
  return answer;
}

function withNext(url, button) {
  const next = button?.dataset.next || document.querySelector("form input[name=next]")?.value;
  if (!next) return url;
  const target = new URL(url, window.location.href);
  if (!target.searchParams.has("next")) target.searchParams.set("next", next);
  return target.pathname + target.search;
}

async function signal(name, value) {
  try {
    await PublicKeyCredential[name]?.(value);
  } catch {
    // A hint to the browser; nothing depends on it.
  }
}

async function prove(optionsUrl, verifyUrl, request = {}, manner = {}) {
  const options = await post(optionsUrl, {});
  const credential = await navigator.credentials.get({
    ...request,
    publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options),
  });
  try {
    await post(verifyUrl, { credential: credential.toJSON() }, manner);
  } catch (error) {
    if (error.code === "unknown_credential") {
      await signal("signalUnknownCredential", { rpId: options.rpId, credentialId: credential.id });
    }
    throw error;
  }
}

async function add(optionsUrl, verifyUrl, name) {
  const options = await post(optionsUrl, {});
  const credential = await navigator.credentials.create({
    publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options),
  });
  try {
    await post(verifyUrl, { credential: credential.toJSON(), name });
  } catch (error) {
    // Not kept here: without this the browser would go on offering it.
    await signal("signalUnknownCredential", { rpId: options.rp.id, credentialId: credential.id });
    throw error;
  }
}

function wordsFor(error) {
  if (error instanceof Refused) return error.message;
  return WORDS[error.name] ?? "That did not work. Try again, or use another way.";
}

function show(button, words) {
  const place = button.parentElement.querySelector("[data-passkey-error]");
  if (!place) return;
  place.textContent = words;
  place.hidden = !words;
}

function wire(button) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const { passkey: purpose, optionsUrl, verifyUrl } = button.dataset;
    show(button, "");
    button.disabled = true;
    button.setAttribute("aria-busy", "true");
    try {
      await endAutofill();
      if (purpose === "add") {
        await add(optionsUrl, verifyUrl, button.form?.elements.namedItem("name")?.value ?? "");
      } else {
        await prove(optionsUrl, withNext(verifyUrl, button));
      }
    } catch (error) {
      show(button, wordsFor(error));
      offerAutofill();
    } finally {
      button.disabled = false;
      button.removeAttribute("aria-busy");
    }
  });
}

// A form that asks for a touch of its own: the touch, then the form. Should that fail, sending it
// once more goes to the page where it can be proven in another way.
function touchFirst(form) {
  form.addEventListener("submit", async (event) => {
    if (form.dataset.touched || event.defaultPrevented) return;
    event.preventDefault();
    const button = event.submitter ?? form.querySelector("button[type=submit]");
    show(button, "");
    button.setAttribute("aria-busy", "true");
    try {
      await prove(form.dataset.optionsUrl, form.dataset.verifyUrl, {}, { follow: false });
      form.dataset.touched = "yes";
      form.requestSubmit(event.submitter);
    } catch (error) {
      form.dataset.touched = "failed";
      show(button, wordsFor(error));
    } finally {
      button.removeAttribute("aria-busy");
    }
  });
}

async function endAutofill() {
  if (!waiting) return;
  const { controller, done } = waiting;
  waiting = null;
  controller.abort();
  await done;
}

// Conditional mediation: the browser lists passkeys below the e-mail field, without a dialog.
async function offerAutofill() {
  const button = document.querySelector("[data-passkey-login]");
  const field = document.querySelector("input[autocomplete~=webauthn]");
  if (!button || !field || waiting) return;
  if (!(await PublicKeyCredential.isConditionalMediationAvailable?.())) return;
  const controller = new AbortController();
  const { optionsUrl, verifyUrl } = button.dataset;
  const done = prove(optionsUrl, withNext(verifyUrl, button), {
    mediation: "conditional",
    signal: controller.signal,
  }).catch((error) => {
    // Only what the server said of a passkey that somebody chose; nobody asked for the rest.
    if (error instanceof Refused && !(error.code in WORDS)) show(button, error.message);
  });
  const mine = { controller, done };
  waiting = mine;
  window.setTimeout(async () => {
    if (waiting !== mine) return;
    await endAutofill();
    offerAutofill();
  }, RENEW_AFTER);
}

function tellWhatIsKnown() {
  const source = document.querySelector("[data-passkey-signals]");
  if (!source) return;
  const known = JSON.parse(source.dataset.passkeySignals);
  const { rpId, userId, name, displayName, allAcceptedCredentialIds } = known;
  signal("signalAllAcceptedCredentials", { rpId, userId, allAcceptedCredentialIds });
  signal("signalCurrentUserDetails", { rpId, userId, name, displayName });
}

if (READY) {
  document.querySelectorAll("[data-passkey-part]").forEach((part) => { part.hidden = false; });
  document.querySelectorAll("[data-passkey]").forEach(wire);
  document.querySelectorAll("form[data-touch-first]").forEach(touchFirst);
  offerAutofill();
  tellWhatIsKnown();
} else {
  document.querySelectorAll("[data-passkey-missing]").forEach((part) => { part.hidden = false; });
}
