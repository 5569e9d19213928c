// A list: ticking rows, which actions fit them, opening rows at the side, and the keys.

const list = document.getElementById("list");
const rows = [...list.querySelectorAll("tbody tr[data-id]")];
const tickPage = document.getElementById("tick-page");
const text = list.dataset;
const send = (name, detail) => document.dispatchEvent(new CustomEvent(name, { detail }));
const box = (row) => row.querySelector('input[name="id"]');
const ticked = () => rows.filter((row) => box(row).checked);

let everything = false; // "all that match the filter", not only this page
let cursor = -1;
let lastTicked = -1;

// The selection as the server wants it, the same three fields everywhere

function selection() {
  return {
    selection: everything ? "all" : "ids",
    id: everything ? [] : ticked().map((row) => row.dataset.id),
    filter: text.query,
  };
}

// What the buttons may do with it

function fit(button, chosen) {
  if (everything) return { fits: chosen.length };
  const states = button.dataset.states?.split(" ");
  const fits = states ? chosen.filter((row) => states.includes(row.dataset.state)).length : chosen.length;
  if ("always" in button.dataset) return { fits: chosen.length };
  if (!chosen.length) return { fits, refused: text.textNone };
  if ("single" in button.dataset && chosen.length !== 1) return { fits, refused: text.textOne };
  if (!fits) return { fits, refused: button.dataset.hint ?? text.textUnfit };
  return { fits };
}

function showFit(button, chosen) {
  const { fits, refused } = fit(button, chosen);
  const refusal = everything && "single" in button.dataset ? text.textOne : refused;
  const partly = !refusal && fits < chosen.length;
  const count = button.querySelector(".action-count");
  button.toggleAttribute("data-refused", Boolean(refusal));
  button.ariaDisabled = refusal ? "true" : null;
  button.title = refusal ?? (partly ? text.textFit.replace("{n}", fits) : "");
  count.hidden = !partly;
  count.textContent = `(${fits})`;
}

function refresh() {
  const chosen = ticked();
  rows.forEach((row) => row.classList.toggle("ticked", box(row).checked));
  list.querySelectorAll(".bulk-actions [data-action]").forEach((button) => showFit(button, chosen));

  const count = document.getElementById("bulk-count");
  count.hidden = !chosen.length;
  count.querySelector("b").textContent = text.textSelected.replace("{n}", everything ? text.total : chosen.length);

  const whole = rows.length > 0 && chosen.length === rows.length;
  if (tickPage) {
    tickPage.checked = whole;
    tickPage.indeterminate = chosen.length > 0 && !whole;
  }
  const offer = document.getElementById("select-all");
  if (offer) {
    offer.hidden = !whole;
    offer.querySelector('[data-when="page"]').hidden = everything;
    offer.querySelector('[data-when="all"]').hidden = !everything;
  }
  list.querySelector("[data-export-all]")?.toggleAttribute("hidden", chosen.length > 0 && !everything);
  list.querySelector("[data-export-selected]")?.toggleAttribute("hidden", !chosen.length || everything);
}

// Ticking

function tick(row, checked = !box(row).checked) {
  everything = false;
  box(row).checked = checked;
  lastTicked = rows.indexOf(row);
}

function tickRange(row) {
  const [from, to] = [Math.max(lastTicked, 0), rows.indexOf(row)].sort((a, b) => a - b);
  rows.slice(from, to + 1).forEach((each) => tick(each, true));
}

function tickAll(checked) {
  everything = false;
  rows.forEach((row) => (box(row).checked = checked));
}

// The drawer

function open(row) {
  if (!row?.dataset.drawerUrl) return;
  moveCursor(rows.indexOf(row));
  list.classList.add("drawer-open");
  send("app:drawer", { url: row.dataset.drawerUrl });
}

document.addEventListener("app:drawer-closed", () => list.classList.remove("drawer-open"));

// Clicks

list.addEventListener("click", (event) => {
  const { target } = event;
  if (target === tickPage) tickAll(tickPage.checked);
  if (target.closest("[data-clear-selection]")) tickAll(false);
  if (target.closest("[data-select-all]")) everything = true;

  const exports = target.closest("[data-export-ask]");
  if (exports) askForExport(exports);

  const asks = target.closest("[data-asks]");
  if (asks) ask(asks.dataset);

  const action = target.closest(".bulk-actions [data-action]");
  if (action) act(action);

  const row = target.closest("tbody tr[data-id]");
  if (row) clickRow(row, event);
  refresh();
});

function clickRow(row, { target, shiftKey }) {
  if (target.closest(".col-check")) {
    if (!target.matches("input")) return; // the label sends a second click, to the box
    const checked = target.checked;
    if (shiftKey) tickRange(row);
    tick(row, checked);
    return;
  }
  if (target.closest("a, button") || String(getSelection())) return;
  open(row);
}

function act(button) {
  if ("refused" in button.dataset) return send("app:toast", { element: button.title, style: "info" });
  send("app:dialog", { url: button.dataset.formUrl, values: selection() });
}

// What is asked about the list as a whole: numbers to look for, the name of a view

function ask({ asks, name = "", askedId: id = "" }) {
  send("app:dialog", { url: asks, values: { name, id, filter: text.query, address: location.search.slice(1) } });
}

// An export is an ordinary form, so that the answer can be a file. Without ticks it is of all that match.

const takenAway = () => (ticked().length ? selection() : { ...selection(), selection: "all" });

function askForExport(button) {
  send("app:dialog", { url: button.dataset.exportAsk, values: { ...takenAway(), sort: button.form.elements.sort.value } });
}

list.querySelector("[data-export]")?.addEventListener("submit", ({ target }) => {
  target.querySelectorAll("[data-selection]").forEach((field) => field.remove());
  const fields = takenAway();
  for (const [name, value] of Object.entries(fields)) {
    for (const each of [value].flat()) {
      const field = Object.assign(document.createElement("input"), { type: "hidden", name, value: each });
      field.dataset.selection = "";
      target.append(field);
    }
  }
});

// Keys, unless somebody types or a dialog is open

function moveCursor(index) {
  if (!rows.length) return;
  rows[cursor]?.classList.remove("cursor");
  cursor = Math.min(Math.max(index, 0), rows.length - 1);
  rows[cursor].classList.add("cursor");
  rows[cursor].scrollIntoView({ block: "nearest" });
}

function step(by) {
  moveCursor(cursor + by);
  if (list.classList.contains("drawer-open")) open(rows[cursor]);
}

const keys = {
  "/": () => document.getElementById("search")?.select(),
  "?": () => tabler.Modal.getOrCreateInstance("#keyboard-help").show(),
  j: () => step(1),
  k: () => step(-1),
  x: () => rows[cursor] && tick(rows[cursor]),
  X: () => rows[cursor] && tickRange(rows[cursor]),
  a: () => tickAll(ticked().length < rows.length),
  Enter: () => open(rows[cursor]),
  "[": () => document.getElementById("page-previous")?.click(),
  "]": () => document.getElementById("page-next")?.click(),
};

document.addEventListener("keydown", (event) => {
  const busy = event.ctrlKey || event.metaKey || event.altKey || event.isComposing || document.querySelector(".modal.show");
  if (busy || event.target.closest("input:not([type=checkbox]), select, textarea, [contenteditable], .dropdown-menu")) return;
  if (event.key === "Enter" && event.target.closest("a, button")) return;
  if (!keys[event.key]) return;
  event.preventDefault();
  keys[event.key]();
  refresh();
});

// A cell that does not fit shows its whole text on hover.

list.addEventListener("mouseover", ({ target }) => {
  const cell = target.closest("td");
  if (cell && !cell.title && cell.scrollWidth > cell.clientWidth) cell.title = cell.textContent.trim();
});

// The browser may have kept ticks when coming back to this page.
addEventListener("pageshow", refresh);
refresh();
