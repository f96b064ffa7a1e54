// Light, dark or as the system says. The choice is kept in this browser only.

const KEY = "sallyport-theme";
const ORDER = ["system", "light", "dark"];
const WORDS = { system: "Theme: as system", light: "Theme: light", dark: "Theme: dark" };

function stored() {
  try {
    const value = localStorage.getItem(KEY);
    return ORDER.includes(value) ? value : "system";
  } catch {
    return "system"; // storage may be refused; the system's choice then stands
  }
}

function apply(choice) {
  if (choice === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = choice;
}

function show(button, choice) {
  button.textContent = WORDS[choice];
  button.hidden = false;
}

apply(stored());

document.addEventListener("DOMContentLoaded", () => {
  for (const button of document.querySelectorAll("[data-theme-toggle]")) {
    show(button, stored());
    button.addEventListener("click", () => {
      const next = ORDER[(ORDER.indexOf(stored()) + 1) % ORDER.length];
      try {
        localStorage.setItem(KEY, next);
      } catch {
        // The choice then lasts for this page only.
      }
      apply(next);
      show(button, next);
    });
  }
});
