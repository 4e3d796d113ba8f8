// The page of a row: copies its address. The keys are in keys.js.
"use strict";

(() => {
  const button = document.getElementById("copy");
  const said = document.getElementById("copied");
  if (!button || !said) {
    return;
  }
  button.hidden = false;
  button.addEventListener("click", async () => {
    const address = new URL(location.href);
    address.hash = "";
    try {
      await navigator.clipboard.writeText(address.href);
      said.textContent = "Copied.";
    } catch {
      said.textContent = "The browser does not let a page copy: take the address bar's.";
    }
  });
})();
