// Keeps a page up to date: asks for what stands there now, and puts it there as text. What a button asks for is shown
// when the run says so, not before.
"use strict";

(() => {
  const EVERY_MS = 1500;
  const PATIENCE_MS = 15000; // of a command's process the viewer waits for ten seconds
  const place = document.querySelector("[data-live]");
  if (!place) {
    return;
  }
  const heard = document.getElementById("heard");
  let last = Date.now();
  let timer = 0;

  const put = (element, text) => {
    if (element.textContent !== text) {
      element.textContent = text;
    }
  };

  const putFacts = (facts) => {
    for (const element of place.querySelectorAll("[data-fact]")) {
      if (!Object.hasOwn(facts, element.dataset.fact)) {
        continue;
      }
      const text = facts[element.dataset.fact];
      put(element, text);
      if ("state" in element.dataset) {
        element.dataset.state = text;
      }
    }
  };

  const putBars = (bars) => {
    for (const element of place.querySelectorAll("[data-bar]")) {
      const bar = bars[element.dataset.bar];
      element.hidden = !bar;
      if (bar) {
        element.max = bar[1];
        element.value = Math.min(bar[0], bar[1]);
      }
    }
  };

  const putCell = (element, text, link) => {
    let leads = element.querySelector("a");
    if (!link) {
      if (leads) {
        element.replaceChildren();
      }
      put(element, text);
      return;
    }
    if (!leads) {
      leads = document.createElement("a");
      element.replaceChildren(leads);
    }
    if (leads.getAttribute("href") !== link) {
      leads.setAttribute("href", link);
    }
    put(leads, text);
  };

  const cell = (number, numbers) => {
    const made = document.createElement(number === 0 ? "th" : "td");
    if (number === 0) {
      made.scope = "row";
    }
    if (numbers.includes(String(number))) {
      made.className = "n";
    }
    return made;
  };

  const putTable = (body, rows, links) => {
    const numbers = (body.dataset.numbers || "").split(" ");
    rows.forEach((cells, number) => {
      const line = body.rows[number] || body.insertRow();
      cells.forEach((text, place) => {
        if (!line.cells[place]) {
          line.append(cell(place, numbers));
        }
        putCell(line.cells[place], text, ((links || [])[number] || [])[place]);
      });
    });
    while (body.rows.length > rows.length) {
      body.deleteRow(-1);
    }
  };

  const putList = (list, texts) => {
    texts.forEach((text, number) => {
      put(list.children[number] || list.appendChild(document.createElement("li")), text);
    });
    while (list.children.length > texts.length) {
      list.lastElementChild.remove();
    }
  };

  const putSections = (view) => {
    for (const section of place.querySelectorAll("[data-section]")) {
      const lists = [...section.querySelectorAll("[data-list]")].some((one) => (view.lists[one.dataset.list] || []).length);
      const tables = [...section.querySelectorAll("[data-table]")].some((one) => (view.tables[one.dataset.table] || []).length);
      section.hidden = !lists && !tables;
    }
  };

  const putAll = (view) => {
    if ("known" in view && view.known !== place.dataset.known) {
      location.reload();
      return;
    }
    putFacts(view.facts);
    if (!view.tables) {
      return;
    }
    putBars(view.bars);
    for (const element of place.querySelectorAll("[data-alive]")) {
      element.hidden = !view.alive;
    }
    for (const body of place.querySelectorAll("[data-table]")) {
      putTable(body, view.tables[body.dataset.table] || [], view.links[body.dataset.table]);
    }
    for (const list of place.querySelectorAll("[data-list]")) {
      putList(list, view.lists[list.dataset.list] || []);
    }
    putSections(view);
    for (const button of place.querySelectorAll("button[data-do]")) {
      button.disabled = !view.done[button.dataset.do];
    }
  };

  const say = (text) => {
    if (heard) {
      put(heard, text);
    }
  };

  const look = async () => {
    clearTimeout(timer);
    try {
      const response = await fetch(place.dataset.live, { cache: "no-store", redirect: "error", signal: AbortSignal.timeout(PATIENCE_MS) });
      const found = await response.json();
      if (response.ok && found.facts) {
        putAll(found);
        last = Date.now();
        say("");
      } else {
        say(found.error || "cannot be read");
      }
    } catch {
      const since = Math.round((Date.now() - last) / 1000);
      say(`The viewer has not answered for ${since} s: what stands here is as old. Start it again with overnight view.`);
    }
    timer = setTimeout(look, document.hidden ? 5 * EVERY_MS : EVERY_MS);
  };

  const said = document.getElementById("said");

  const ask = async (command) => {
    said.className = "";
    put(said, "…");
    try {
      const response = await fetch("do", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(command),
        redirect: "error",
        signal: AbortSignal.timeout(PATIENCE_MS),
      });
      const answer = await response.json();
      said.className = answer.ok ? "" : "bad";
      put(said, answer.ok ? answer.said : answer.error);
      await look();
      return answer.ok;
    } catch {
      said.className = "bad";
      put(said, "The viewer did not answer; nobody knows whether the run heard of it.");
      return false;
    }
  };

  for (const element of document.querySelectorAll(".needs-script")) {
    element.hidden = false;
  }
  const dialog = document.getElementById("stop");
  for (const button of place.querySelectorAll("button[type=button][data-do]")) {
    button.addEventListener("click", () => {
      if (button.dataset.do === "stop") {
        dialog.returnValue = "";
        dialog.showModal();
      } else {
        ask({ do: button.dataset.do });
      }
    });
  }
  if (dialog) {
    dialog.addEventListener("close", () => {
      if (dialog.returnValue === "stop") {
        ask({ do: "stop", cancel_batches: document.getElementById("cancel-batches").checked });
      }
    });
  }
  const form = place.querySelector("form[data-do=set]");
  if (form) {
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const given = Object.fromEntries([...new FormData(form)].filter(([, text]) => text.trim()));
      if (await ask({ do: "set", ...given })) {
        form.reset();
      }
    });
  }
  timer = setTimeout(look, EVERY_MS);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) {
      look();
    }
  });
})();
