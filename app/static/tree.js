// The tree of organizations: loaded a level at a time, searched on the server. A click chooses, the arrow opens.
// Keys: up and down move, right opens, left closes, Enter chooses.

const form = document.querySelector("[data-tree-form]");
const tree = form.querySelector("[data-tree-url]");
const search = form.querySelector("[data-tree-search]");
const field = form.elements.organization_id;

async function nodes(parameters) {
  const url = new URL(tree.dataset.treeUrl, location.href);
  url.search = new URLSearchParams(parameters);
  const answer = await fetch(url).catch(() => null);
  return answer?.ok ? answer.json() : { nodes: [] };
}

function item({ id, name, kind, has_children: inner }) {
  const row = document.createElement("div");
  row.role = "treeitem";
  row.tabIndex = -1;
  row.className = `tree-item tree-${kind}`;
  row.dataset.id = id;
  row.dataset.name = name;
  const head = document.createElement("div");
  head.className = "tree-head";
  const arrow = document.createElement("span");
  arrow.className = inner ? "tree-arrow" : "tree-leaf";
  const label = document.createElement("span");
  label.textContent = name;
  head.append(arrow, label);
  row.append(head);
  if (inner) row.ariaExpanded = "false";
  return row;
}

function group(found) {
  const box = document.createElement("div");
  box.role = "group";
  box.append(...found.nodes.map(item));
  if (found.more || !found.nodes.length) {
    const hint = document.createElement("div");
    hint.className = "tree-hint";
    hint.textContent = found.more ? tree.dataset.textMore : tree.dataset.textNone;
    box.append(hint);
  }
  return box;
}

async function show(parameters) {
  tree.replaceChildren(group(await nodes(parameters)));
  const first = tree.querySelector(".tree-item");
  if (first) first.tabIndex = 0;
  if (!parameters.q && tree.querySelectorAll(".tree-item").length === 1) open(first);
}

async function open(row) {
  if (row.ariaExpanded !== "false") return;
  row.ariaExpanded = "true";
  if (!row.querySelector(":scope > [role=group]")) row.append(group(await nodes({ parent: row.dataset.id })));
}

function close(row) {
  if (row.ariaExpanded === "true") row.ariaExpanded = "false";
}

function choose(row) {
  field.value = row.dataset.id;
  tree.querySelectorAll(".chosen").forEach((other) => other.classList.remove("chosen"));
  row.classList.add("chosen");
  form.querySelector("[data-tree-chosen]").textContent = row.dataset.name;
  form.querySelector("[data-tree-submit]").disabled = false;
}

tree.addEventListener("click", ({ target }) => {
  const row = target.closest(".tree-item");
  if (!row) return;
  if (target.closest(".tree-arrow")) row.ariaExpanded === "true" ? close(row) : open(row);
  else choose(row);
});

tree.addEventListener("keydown", (event) => {
  const row = event.target.closest(".tree-item");
  if (!row) return;
  const rows = [...tree.querySelectorAll(".tree-item")].filter((each) => each.offsetParent);
  const moves = { ArrowDown: 1, ArrowUp: -1 };
  if (event.key in moves) rows[rows.indexOf(row) + moves[event.key]]?.focus();
  else if (event.key === "ArrowRight") open(row);
  else if (event.key === "ArrowLeft") close(row);
  else if (event.key === "Enter") choose(row);
  else return;
  event.preventDefault();
});

let typing;
search.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => show(search.value.trim() ? { q: search.value.trim() } : { parent: "" }), 250);
});
search.addEventListener("keydown", (event) => event.key === "Enter" && event.preventDefault());

show({ parent: "" });
