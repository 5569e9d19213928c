// The builder of conditions: each row is a column, a comparison and a value, kept in one hidden field as column~comparison~value.

const MOST = 10;

class Builder {
  constructor(box) {
    this.box = box;
    Object.assign(this, JSON.parse(box.dataset.conditions));
    this.rows = box.querySelector(".conditions-rows");
    this.blank = box.querySelector("template").content.firstElementChild;
    this.more = box.querySelector("[data-condition-add]");
    this.more.addEventListener("click", () => this.add("").querySelector("select").focus());
    for (const given of this.given) this.add(given);
    box.addEventListener("show.bs.dropdown", () => this.rows.children.length || this.add(""));
    box.addEventListener("hide.bs.dropdown", () => this.drop());
  }

  add(given) {
    const [name, comparison, ...value] = given.split("~");
    const row = this.blank.cloneNode(true);
    const [columns, comparisons] = row.querySelectorAll("select");
    columns.replaceChildren(...this.columns.map((column) => new Option(column.label, column.name)));
    columns.value = name || this.columns[0].name;
    this.compare(row, comparison, value.join("~"));
    columns.addEventListener("change", () => this.compare(row));
    comparisons.addEventListener("change", () => this.ask(row, row.querySelector("[data-value]")?.value));
    row.addEventListener("input", () => this.keep(row));
    row.querySelector("button").addEventListener("click", () => {
      row.remove();
      this.more.disabled = false;
      this.more.focus();
    });
    this.rows.append(row);
    this.more.disabled = this.rows.children.length >= MOST;
    return row;
  }

  // What has been left without a value asks nothing.
  drop() {
    for (const row of [...this.rows.children]) if (!row.querySelector("input[type=hidden]").value) row.remove();
  }

  column(row) {
    return this.columns.find((column) => column.name === row.querySelector("select").value);
  }

  compare(row, comparison, value) {
    const { comparisons } = this.column(row);
    const select = row.querySelectorAll("select")[1];
    select.replaceChildren(...comparisons.map((name) => new Option(this.words[name], name)));
    select.value = comparison ?? comparisons[0];
    this.ask(row, value);
  }

  ask(row, value = "") {
    const place = row.querySelector(".condition-value");
    const column = this.column(row);
    place.replaceChildren();
    if (!["empty", "filled"].includes(row.querySelectorAll("select")[1].value)) place.append(this.field(column, value));
    this.keep(row);
  }

  field(column, value) {
    const field = document.createElement(column.kind === "choice" ? "select" : "input");
    field.className = column.kind === "choice" ? "form-select" : "form-control";
    field.dataset.value = "";
    field.ariaLabel = column.label;
    if (column.kind === "choice") field.append(...Object.entries(column.options).map(([code, word]) => new Option(word, code)));
    // A number is typed as text: browsers drop the comma of 1,6 from an input of type number.
    else Object.assign(field, { type: column.kind === "day" ? "date" : "text", inputMode: column.kind === "number" ? "decimal" : "", maxLength: 100 });
    if (value) field.value = value;
    return field;
  }

  keep(row) {
    const [column, comparison] = [...row.querySelectorAll("select")].map((select) => select.value);
    const field = row.querySelector("[data-value]");
    const hidden = row.querySelector("input[type=hidden]");
    hidden.value = field && !field.value ? "" : `${column}~${comparison}~${field?.value ?? ""}`;
    const words = [...row.querySelectorAll("select:not([data-value]) option:checked, select[data-value] option:checked")].map((option) => option.text);
    hidden.dataset.text = field?.matches("input") ? [...words, field.value].join(" ") : words.join(" ");
  }
}

document.querySelectorAll("[data-conditions]").forEach((box) => new Builder(box));
