// A place chosen level by level (CascadeField): selects that fill each other, each asked with ?parent=, answering {"options":
// [{"value", "label", "leaf"}]}. The hidden input carries the deepest choice. Pages have such fields from the start, dialogs
// bring theirs later (app:enhance, sent by dialog.js).

class CascadeField {
  constructor(box) {
    this.url = box.dataset.optionsUrl;
    this.input = box.querySelector("input");
    this.selects = [...box.querySelectorAll("select")];
    this.start(box.dataset.path ? box.dataset.path.split(" ") : []);
    box.addEventListener("change", ({ target }) => this.choose(this.selects.indexOf(target)));
  }

  async start(path) {
    for (const [level, parent] of ["", ...path].entries()) await this.fill(level, parent, path[level]);
  }

  async fill(level, parent, chosen = "") {
    const select = this.selects[level];
    if (!select) return;
    const url = new URL(this.url, location.href);
    url.searchParams.set("parent", parent);
    const answer = await fetch(url).catch(() => null);
    if (!answer?.ok || (level > 0 && this.selects[level - 1].value !== parent)) return; // chosen anew meanwhile
    const { options } = await answer.json();
    select.length = 1; // the first names the level
    select.append(...options.map(({ value, label, leaf }) => this.option(value, label, leaf)));
    select.value = chosen;
    select.disabled = !options.length;
  }

  option(value, label, leaf) {
    const option = new Option(label, value);
    if (leaf) option.dataset.leaf = "";
    return option;
  }

  choose(level) {
    if (level < 0) return;
    for (const below of this.selects.slice(level + 1)) {
      below.length = 1;
      below.disabled = true;
    }
    const { value, selectedOptions } = this.selects[level];
    this.input.value = value || (level > 0 ? this.selects[level - 1].value : "");
    if (value && !("leaf" in selectedOptions[0].dataset)) this.fill(level + 1, value);
  }
}

const ready = new WeakSet();

function enhance(part) {
  for (const box of part.querySelectorAll("[data-cascade-field]")) {
    if (ready.has(box)) continue;
    ready.add(box);
    new CascadeField(box);
  }
}

document.addEventListener("app:enhance", ({ detail }) => enhance(detail.part));
enhance(document);
