// Keyboard use of all pages, and pages that look again by themselves. Nothing here makes markup.
"use strict";

(() => {
  const dialog = document.getElementById("keys");
  const help = document.getElementById("help");
  if (dialog && help) {
    help.hidden = false;
    help.addEventListener("click", () => dialog.showModal());
  }

  const again = document.querySelector("[data-again]");
  if (again) {
    setTimeout(() => location.reload(), 1000 * Number(again.dataset.again));
  }

  const lines = () => [...document.querySelectorAll("table[data-rows] tbody tr")].map((line) => line.querySelector("a")).filter(Boolean);

  const move = (by) => {
    const links = lines();
    if (!links.length) {
      return false;
    }
    const here = document.activeElement ? document.activeElement.closest("table[data-rows] tbody tr") : null;
    const at = here ? links.indexOf(here.querySelector("a")) : -1;
    const next = at < 0 ? (by > 0 ? 0 : links.length - 1) : Math.min(links.length - 1, Math.max(0, at + by));
    links[next].focus();
    links[next].scrollIntoView({ block: "nearest" });
    return true;
  };

  const follow = (selector) => {
    const link = document.querySelector(selector);
    if (link) {
      link.click();
    }
    return Boolean(link);
  };

  const search = () => {
    const field = document.querySelector("input[type=search]");
    if (field) {
      field.focus();
      field.select();
    }
    return Boolean(field);
  };

  const does = {
    j: () => move(1),
    k: () => move(-1),
    ArrowDown: () => move(1),
    ArrowUp: () => move(-1),
    "[": () => follow("a[rel~=prev]"),
    "]": () => follow("a[rel~=next]"),
    u: () => follow("a[rel~=up]"),
    "/": search,
    "?": () => {
      if (dialog) {
        dialog.showModal();
      }
      return Boolean(dialog);
    },
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || document.querySelector("dialog[open]")) {
      return;
    }
    const within = event.target instanceof Element ? event.target : document.body;
    if (within.closest("input, select, textarea, [contenteditable]")) {
      if (event.key === "Escape") {
        within.blur();
      }
      return;
    }
    const arrow = event.key.startsWith("Arrow");
    if (arrow && !within.closest("table[data-rows]") && within !== document.body) {
      return;
    }
    if (arrow && within === document.body && !event.target.isSameNode(document.body)) {
      return;
    }
    const action = Object.hasOwn(does, event.key) ? does[event.key] : null;
    if (action && action()) {
      event.preventDefault();
    }
  });
})();
