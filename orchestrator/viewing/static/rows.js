// The form of filters: empty fields stay out of the address, and a telephone begins with few of them, what is wrong has the focus.
"use strict";

(() => {
  const form = document.querySelector("form[data-filters]");
  if (!form) {
    return;
  }
  const more = form.querySelector("details.more");
  const wrong = form.querySelector("[aria-invalid]");
  if (wrong) {
    wrong.focus();
  } else if (more && matchMedia("(max-width: 40rem)").matches) {
    more.open = false;
  }
  form.addEventListener("submit", () => {
    for (const field of form.querySelectorAll("input, select")) {
      field.disabled = field.value === "" || (field.name === "limit" && field.value === "50");
    }
  });
  addEventListener("pageshow", () => {
    for (const field of form.querySelectorAll("input, select")) {
      field.disabled = false;
    }
  });
})();
