// The form of an instrument: its kind says which units, classes and numbers are asked; what is typed so far finds the institution.

class InstrumentForm {
  constructor(box) {
    this.box = box;
    this.form = box.closest("form");
    this.note = box.querySelector("[data-kind-note]");
    this.kind = this.field("catalogue_item_id").value;
    box.addEventListener("change", () => this.changed());
    if (this.kind) this.ask();
  }

  field(name) {
    return this.form.querySelector(`[name="${name}"]`); // by its name alone: a cascade lends its id to its first select
  }

  changed() {
    const kind = this.field("catalogue_item_id").value;
    if (kind !== this.kind) {
      this.kind = kind;
      this.ask();
    }
    htmx.trigger(this.box.querySelector("#match-preview"), "match");
  }

  async ask() {
    const answer = await fetch(`${this.box.dataset.url}/kind/${this.kind}`).catch(() => null);
    this.note.hidden = !answer?.ok; // a category is no kind yet
    if (!answer?.ok) return;
    const { units, classes, approval, verified, mode, cycle } = await answer.json();
    this.fill(this.field("range_unit"), units, this.field("range_unit").value);
    this.fill(document.getElementById(this.box.dataset.classesId), classes);
    this.box.querySelector("[data-approval]").hidden = !approval;
    const cycleText = cycle ? this.note.dataset.textCycle.replace("{n}", cycle) : "";
    this.note.textContent = verified ? [mode, cycleText].filter(Boolean).join(" · ") : this.note.dataset.textUnverified;
  }

  fill(list, texts, chosen = "") {
    list.replaceChildren(...texts.map((text) => new Option(text, text, false, text === chosen)));
  }
}

document.addEventListener("app:enhance", ({ detail }) => {
  const box = detail.part.querySelector("[data-instrument-form]");
  if (box) new InstrumentForm(box);
});
