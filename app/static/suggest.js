// Suggestions for a text that may as well be another one (SuggestField): <input data-suggest-url="...">, asked with ?q=, answering
// {"options": [{"value", "present"}]}. The arrow keys and the mouse choose, Enter takes, Esc closes. A former name keeps its text, and
// the present one is told below. Dialogs bring such fields (app:enhance, sent by dialog.js).

const PAUSE = 200; // milliseconds without a key before the server is asked
let number = 0;

class Suggestions {
  constructor(field) {
    this.field = field;
    this.present = new Map(); // the present name of each text that was suggested
    this.list = this.make("ul", "suggest-list", { role: "listbox", "aria-label": field.labels[0]?.textContent ?? "" });
    this.note = this.make("p", "suggest-note", { "aria-live": "polite" });
    this.list.id = `suggestions-${++number}`;
    this.list.hidden = true;
    field.after(this.list, this.note);
    const { id } = this.list;
    for (const [name, value] of Object.entries({ role: "combobox", "aria-autocomplete": "list", "aria-controls": id, "aria-expanded": "false" })) field.setAttribute(name, value);
    field.addEventListener("input", ({ isComposing }) => isComposing || this.typed());
    field.addEventListener("compositionend", () => this.typed());
    field.addEventListener("keydown", (event) => this.key(event));
    field.addEventListener("blur", () => this.close());
    this.list.addEventListener("mousedown", (event) => event.preventDefault()); // the focus stays in the field
    this.list.addEventListener("click", ({ target }) => this.take(target.closest("[role=option]")));
  }

  make(tag, className, attributes) {
    const element = Object.assign(document.createElement(tag), { className });
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  }

  get options() {
    return [...this.list.children];
  }

  get active() {
    return this.list.querySelector("[aria-selected=true]");
  }

  typed() {
    this.tell();
    this.narrow();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.ask(this.field.value.trim()), PAUSE);
  }

  async ask(q) {
    if (!q) return this.close();
    const url = new URL(this.field.dataset.suggestUrl, location.href);
    url.searchParams.set("q", q);
    const answer = await fetch(url).catch(() => null);
    if (!answer?.ok || this.field.value.trim() !== q || document.activeElement !== this.field) return; // typed on, or left meanwhile
    this.show((await answer.json()).options);
  }

  show(options) {
    for (const { value, present } of options) this.present.set(value, present);
    this.list.replaceChildren(...options.map((option, index) => this.option(option, index)));
    this.choose(null);
    this.list.hidden = !options.length;
    this.field.setAttribute("aria-expanded", String(!this.list.hidden));
    this.tell();
  }

  // Until the server answers, no name is left that does not go with what is typed: Enter would take it.
  narrow() {
    const text = this.field.value.trim();
    for (const option of this.options) if (!option.dataset.value.includes(text)) option.remove();
    if (!text || !this.options.length) this.close();
  }

  option({ value, present }, index) {
    const option = this.make("li", "suggest-option", { role: "option", "aria-selected": "false", id: `${this.list.id}-${index}` });
    option.dataset.value = value;
    option.append(Object.assign(document.createElement("span"), { textContent: value }));
    if (present) option.append(Object.assign(document.createElement("small"), { textContent: this.presentText(present) }));
    return option;
  }

  presentText(name) {
    return this.field.dataset.textPresent.replace("{name}", name);
  }

  tell() {
    const present = this.present.get(this.field.value.trim());
    this.note.textContent = present ? this.presentText(present) : "";
  }

  choose(option) {
    this.active?.setAttribute("aria-selected", "false");
    option?.setAttribute("aria-selected", "true");
    option?.scrollIntoView({ block: "nearest" });
    if (option) this.field.setAttribute("aria-activedescendant", option.id);
    else this.field.removeAttribute("aria-activedescendant");
  }

  step(by) {
    const all = this.options;
    const at = all.indexOf(this.active);
    this.choose(all[at < 0 && by < 0 ? all.length - 1 : (at + by + all.length) % all.length]);
  }

  key(event) {
    if (this.list.hidden || event.isComposing || event.ctrlKey || event.metaKey) return;
    const { active } = this;
    const keys = {
      ArrowDown: () => this.step(1),
      ArrowUp: () => this.step(-1),
      Escape: () => this.close(),
      Enter: active && (() => this.take(active)),
    };
    if (!keys[event.key]) return;
    event.preventDefault();
    event.stopPropagation(); // Esc would close the dialog
    keys[event.key]();
  }

  take(option) {
    if (!option) return;
    this.field.value = option.dataset.value;
    this.field.dispatchEvent(new Event("input", { bubbles: true }));
    clearTimeout(this.timer);
    this.field.dispatchEvent(new Event("change", { bubbles: true }));
    this.close();
  }

  close() {
    clearTimeout(this.timer);
    this.list.hidden = true;
    this.choose(null);
    this.field.setAttribute("aria-expanded", "false");
  }
}

document.addEventListener("app:enhance", ({ detail }) => {
  for (const field of detail.part.querySelectorAll("[data-suggest-url]")) new Suggestions(field);
});
