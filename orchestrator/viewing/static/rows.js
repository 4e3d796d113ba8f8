// The form of filters: a menu that is changed shows its rows at once, and empty fields stay out of the address.
"use strict";

(() => {
  const form = document.querySelector("form[data-filters]");
  if (!form) {
    return;
  }
  const more = form.querySelector("details.more");
  if (more && matchMedia("(max-width: 40rem)").matches) {
    more.open = false;
  }
  form.addEventListener("submit", () => {
    for (const field of form.querySelectorAll("input, select")) {
      field.disabled = field.value === "" || (field.name === "limit" && field.value === "50");
    }
  });
  for (const menu of form.querySelectorAll("select")) {
    menu.addEventListener("change", () => form.requestSubmit());
  }
  addEventListener("pageshow", () => {
    for (const field of form.querySelectorAll("input, select")) {
      field.disabled = false;
    }
  });
})();
