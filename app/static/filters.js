// The filter bar: submits itself on change, keeps empty values out of the URL, shows active filters as chips, and drives the
// cascades (region, catalogue).

const form = document.getElementById("filters");

// Submitting

const snapshot = () => new URLSearchParams(new FormData(form)).toString();

function submitIfChanged() {
  if (snapshot() !== loaded) form.requestSubmit();
}

function stripEmpty() {
  for (const field of form.elements) if (field.name && field.value === "") field.disabled = true;
  const search = form.querySelector("#search");
  if (search?.disabled) form.querySelectorAll("[data-keep]").forEach((select) => (select.disabled = true));
}

let waiting;

function changed({ target }) {
  if (target.matches("[data-keep], #search") || target.closest(".dropdown-menu")) return;
  const dates = target.closest(".filter-dates");
  if (target.matches("[data-period]")) dates.querySelectorAll("[type=date]").forEach((field) => (field.value = ""));
  if (!target.matches("[type=date]")) return submitIfChanged();
  dates.querySelector("[data-period]").value = "";
  // A date typed by hand changes with every digit: wait until it looks finished.
  clearTimeout(waiting);
  target.classList.toggle("empty", !target.value);
  if (!target.value || target.value >= "1900") waiting = setTimeout(submitIfChanged, 900);
}

// Chips

function chipsOf(filter) {
  const texts = [...filter.querySelectorAll("input:checked, input[type=hidden][data-text], option:checked")]
    .filter((field) => field.value && !(field.matches("option") && field.closest(".condition")))
    .map((field) => field.dataset.text ?? field.textContent);
  const dates = [...filter.querySelectorAll("[type=date]")].map((field) => field.value);
  if (dates.every(Boolean) && dates.length) texts.push(dates.join(" – "));
  else if (dates[0]) texts.push(`≥ ${dates[0]}`);
  else if (dates[1]) texts.push(`≤ ${dates[1]}`);
  return texts;
}

function clear(filter) {
  for (const field of filter.querySelectorAll("input, select")) {
    if (field.type === "radio") field.checked = field.value === "";
    else if (field.type === "checkbox") field.checked = false;
    else field.value = "";
    field.tomselect?.clear(true);
  }
  form.requestSubmit();
}

function showChips() {
  const chips = document.getElementById("chips");
  const blank = chips.querySelector("template").content.firstElementChild;
  for (const filter of [...form.querySelectorAll("[data-filter]")].reverse()) {
    const texts = chipsOf(filter);
    if (!texts.length) continue;
    const chip = blank.cloneNode(true);
    chip.firstElementChild.textContent = `${filter.dataset.label}: ${texts.join("、")}`;
    chip.addEventListener("click", () => clear(filter));
    chips.prepend(chip);
    filter.classList.add("active");
  }
  const active = chips.querySelectorAll(".chip").length;
  chips.hidden = !active && !chips.querySelector("a");
  if (active) form.querySelector(".filter-toggle")?.setAttribute("data-active", active);
}

// Cascades: one column a level. A click chooses and opens the next level; the last level submits at once.

class Cascade {
  constructor(box) {
    this.box = box;
    this.field = box.querySelector("input[type=hidden]");
    this.columns = [...box.querySelectorAll(".cascade-column")];
    this.path = box.dataset.path ? box.dataset.path.split(" ") : [];
    box.addEventListener("show.bs.dropdown", () => this.open());
    box.querySelector("[data-cascade-clear]").addEventListener("click", () => clear(box));
    this.columns.forEach((column, level) =>
      column.addEventListener("click", ({ target }) => {
        const option = target.closest("button");
        if (option) this.pick(level, option);
      }),
    );
  }

  async open() {
    if (this.opened) return;
    this.opened = true;
    for (const [level, parent] of ["", ...this.path].entries()) await this.fill(level, parent);
  }

  async fill(level, parent) {
    const column = this.columns[level];
    if (!column) return;
    const url = new URL(this.box.dataset.cascadeUrl, location.href);
    url.searchParams.set("parent", parent);
    const answer = await fetch(url).catch(() => null);
    if (!answer?.ok) return;
    const { options } = await answer.json();
    column.hidden = !options.length;
    column.querySelector(".cascade-options").replaceChildren(...options.map((option) => this.option(option, level)));
    column.querySelector(".chosen")?.scrollIntoView({ block: "nearest" });
  }

  option({ value, label, leaf }, level) {
    const button = document.createElement("button");
    button.type = "button";
    button.role = "option";
    button.ariaSelected = String(this.path[level] === String(value));
    button.value = value;
    button.textContent = label;
    button.className = this.path[level] === String(value) ? "chosen" : "";
    if (leaf || level === this.columns.length - 1) button.dataset.leaf = "";
    return button;
  }

  pick(level, option) {
    this.path = [...this.path.slice(0, level), option.value];
    this.field.value = option.value;
    this.columns[level].querySelectorAll("button").forEach((other) => {
      other.classList.toggle("chosen", other === option);
      other.ariaSelected = String(other === option);
    });
    this.columns.slice(level + 1).forEach((column) => (column.hidden = true));
    if ("leaf" in option.dataset) submitIfChanged();
    else this.fill(level + 1, option.value);
  }
}

if (form) {
  form.querySelectorAll("[data-cascade-url]").forEach((box) => new Cascade(box));
  showChips();
  form.addEventListener("change", changed);
  form.addEventListener("submit", stripEmpty);
  form.addEventListener("hidden.bs.dropdown", submitIfChanged);
  form.querySelector("#search")?.addEventListener("search", submitIfChanged);
  // Back from another page: the browser may have kept the fields switched off.
  addEventListener("pageshow", () => [...form.elements].forEach((field) => (field.disabled = false)));
}
const loaded = form && snapshot();
