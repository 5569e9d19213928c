// One search field for everything: opened by Ctrl+K, by ⌘K, and by / on pages without a search field of their own. The focus
// stays in the field; the arrow keys move among the hits, which the server sends as the options of the field.

const dialog = document.getElementById("search-everything");
const field = dialog.querySelector("input");
const results = document.getElementById("search-results");
const hits = () => [...results.querySelectorAll("[role=option]")];
const active = () => results.querySelector("[aria-selected=true]");

function open() {
  if (dialog.open || document.querySelector(".modal.show, dialog[open]")) return;
  document.body.classList.remove("menu-open");
  dialog.showModal();
  field.select();
}

function choose(hit) {
  active()?.setAttribute("aria-selected", "false");
  hit?.setAttribute("aria-selected", "true");
  hit?.scrollIntoView({ block: "nearest" });
  if (hit) field.setAttribute("aria-activedescendant", hit.id);
  else field.removeAttribute("aria-activedescendant");
}

function step(by) {
  const all = hits();
  if (all.length) choose(all[(all.indexOf(active()) + by + all.length) % all.length]);
}

const keys = {
  ArrowDown: () => step(1),
  ArrowUp: () => step(-1),
  Enter: () => active()?.click(),
};

// What is typed here is for nothing below: neither for the keys of a list nor for a drawer that Esc would close.
dialog.addEventListener("keydown", (event) => {
  event.stopPropagation();
  if (event.isComposing || event.target !== field || !keys[event.key]) return;
  event.preventDefault();
  keys[event.key]();
});

dialog.addEventListener("click", ({ target }) => {
  if (target === dialog || target.closest("[data-close-search]")) dialog.close();
});
dialog.addEventListener("close", () => choose(null));
results.addEventListener("mousemove", ({ target }) => {
  const hit = target.closest("[role=option]");
  if (hit && hit !== active()) choose(hit);
});

document.addEventListener("htmx:afterSwap", ({ detail: { target } }) => {
  if (target !== results) return;
  const [first] = hits();
  field.setAttribute("aria-expanded", String(Boolean(first)));
  choose(first);
});

// What goes wrong is told where one looks; a toast would lie below.
document.addEventListener("app:problem", (event) => {
  if (!dialog.open) return;
  event.preventDefault();
  results.replaceChildren(event.detail.element);
});

document.addEventListener("click", ({ target }) => target.closest("[data-open-search]") && open());

document.addEventListener("keydown", (event) => {
  const isCommand = (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === "k";
  const typing = event.target.closest("input, select, textarea, [contenteditable], .dropdown-menu");
  const isSlash = event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey;
  if (!isCommand && !(isSlash && !document.getElementById("search"))) return;
  event.preventDefault();
  open();
});
