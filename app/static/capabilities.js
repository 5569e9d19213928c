// The form of a capability: its kind says in which units and classes it is given.

class CapabilityForm {
  constructor(box) {
    this.box = box;
    this.input = box.querySelector("[name=catalogue_item_id]");
    this.kind = this.input.value;
    box.addEventListener("change", () => this.changed());
  }

  changed() {
    if (this.input.value === this.kind) return;
    this.kind = this.input.value;
    if (this.kind) this.ask();
  }

  async ask() {
    const answer = await fetch(`${this.box.dataset.url}/kind/${this.kind}`).catch(() => null);
    if (!answer?.ok) return; // a category is no kind yet
    const { units, classes } = await answer.json();
    this.fill(this.box.querySelector("[name=range_unit]"), units);
    this.fill(document.getElementById(this.box.dataset.classesId), classes);
  }

  fill(list, texts) {
    list.replaceChildren(...texts.map((text) => new Option(text, text)));
  }
}

document.addEventListener("app:enhance", ({ detail }) => {
  const box = detail.part.querySelector("[data-capability-form]");
  if (box) new CapabilityForm(box);
});
