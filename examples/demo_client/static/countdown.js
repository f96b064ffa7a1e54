// Counts the access token's life down. Without it the page shows the time left when it was made.
"use strict";

const begun = performance.now();

function spoken(seconds) {
  const minutes = Math.floor(seconds / 60);
  const rest = seconds % 60;
  if (minutes && rest) return `${minutes} min ${String(rest).padStart(2, "0")} s`;
  return minutes ? `${minutes} min` : `${rest} s`;
}

function tick() {
  for (const element of document.querySelectorAll("[data-expires-in]")) {
    const passed = Math.floor((performance.now() - begun) / 1000);
    const left = Math.max(0, Number(element.dataset.expiresIn) - passed);
    if (element instanceof HTMLProgressElement) {
      element.value = left;
    } else {
      const strong = document.createElement("strong");
      strong.textContent = left ? spoken(left) : "has expired";
      element.replaceChildren(...(left ? ["expires in ", strong] : [strong]));
    }
  }
}

if (document.querySelector("[data-expires-in]")) {
  tick();
  setInterval(tick, 1000);
}
