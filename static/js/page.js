// What a page gains when scripts run: reveal a password, copy and save secrets, print,
// count down, show times in the reader's zone. Every page works without this file.

const LOCAL_TIME = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

function revealPasswords() {
  for (const button of document.querySelectorAll("[data-reveal]")) {
    const input = document.getElementById(button.dataset.reveal);
    if (!input) continue;
    button.hidden = false;
    button.addEventListener("click", () => {
      const isShown = input.type === "text";
      input.type = isShown ? "password" : "text";
      button.setAttribute("aria-pressed", String(!isShown));
      input.focus({ preventScroll: true });
    });
    // A revealed password must not be offered to the browser's form history as plain text.
    input.form?.addEventListener("submit", () => { input.type = "password"; });
  }
}

function textOf(selector) {
  const source = document.querySelector(selector);
  if (!source) return "";
  const items = source.querySelectorAll("[data-copy-item]");
  return items.length ? [...items].map((item) => item.textContent.trim()).join("\n") : source.textContent.trim();
}

function say(button, words) {
  const before = button.dataset.words ?? button.textContent;
  button.dataset.words = before;
  button.textContent = words;
  window.setTimeout(() => { button.textContent = before; }, 2400);
}

function copyButtons() {
  if (!navigator.clipboard) return;
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(textOf(button.dataset.copy).replaceAll("\u00a0", " "));
        say(button, "Copied");
      } catch {
        say(button, "Could not copy: select the text instead");
      }
    });
  }
}

function downloadButtons() {
  for (const button of document.querySelectorAll("[data-download]")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      const url = URL.createObjectURL(new Blob([textOf(button.dataset.download) + "\n"], { type: "text/plain" }));
      const link = document.createElement("a");
      link.href = url;
      link.download = button.dataset.filename;
      link.click();
      window.setTimeout(() => URL.revokeObjectURL(url), 1000);
    });
  }
}

function printButtons() {
  for (const button of document.querySelectorAll("[data-print]")) {
    button.hidden = false;
    button.addEventListener("click", () => window.print());
  }
}

// Two units at most: what ends in days need not be told by the second.
function inWords(seconds) {
  const two = (count) => String(count).padStart(2, "0");
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  if (hours >= 24) return `${Math.floor(hours / 24)} d ${hours % 24} h`;
  if (hours) return `${hours} h ${two(minutes % 60)} min`;
  return minutes ? `${minutes} min ${two(seconds % 60)} s` : `${seconds} s`;
}

function countdowns() {
  for (const element of document.querySelectorAll("[data-countdown]")) {
    const end = performance.now() + Number(element.dataset.countdown) * 1000;
    const tick = () => {
      const left = Math.max(0, Math.ceil((end - performance.now()) / 1000));
      element.textContent = left ? `in ${inWords(left)}` : "now";
      if (left) window.setTimeout(tick, 1000);
    };
    tick();
  }
}

function localTimes() {
  for (const element of document.querySelectorAll("time[data-local]")) {
    const at = new Date(element.dateTime);
    if (Number.isNaN(at.valueOf())) continue;
    element.title = element.textContent.trim();
    element.textContent = LOCAL_TIME.format(at);
  }
}

function release(form) {
  delete form.dataset.sent;
  form.querySelector("button[type=submit]")?.removeAttribute("aria-busy");
}

// A second press while the first is under way would spend a one-time code twice.
function submitOnce() {
  for (const form of document.querySelectorAll("form[data-once]")) {
    form.addEventListener("submit", (event) => {
      if (form.dataset.sent) event.preventDefault();
      form.dataset.sent = "yes";
      form.querySelector("button[type=submit]")?.setAttribute("aria-busy", "true");
      window.setTimeout(() => release(form), 5000); // a request that was stopped must not lock the form
    });
    // Coming back by the back button must leave a form that can be sent again.
    window.addEventListener("pageshow", () => release(form));
  }
}

revealPasswords();
copyButtons();
downloadButtons();
printButtons();
countdowns();
localTimes();
submitOnce();
