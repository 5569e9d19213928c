// The dialog and the drawer: opening, sizes, unsaved input, keys, and the controls inside (suggested reasons, counters, searching
// selects, the table of institutions). The server sends their whole content as a fragment.

const dialog = document.getElementById("dialog");
const content = dialog.querySelector(".modal-content");
const drawer = document.getElementById("drawer");
const modal = tabler.Modal.getOrCreateInstance(dialog, { backdrop: "static", keyboard: false });
const offcanvas = tabler.Offcanvas.getOrCreateInstance(drawer);
const template = (id) => document.getElementById(id).content.cloneNode(true);
const isOpen = () => dialog.classList.contains("show");

// What is in the form. Its token is not something typed, and is another one each time.
function state() {
  const fields = new FormData(content.querySelector("form") ?? undefined);
  fields.delete("csrf_token");
  return new URLSearchParams(fields).toString();
}

let opener = null; // gets the focus back
let untouched = ""; // the form as it came from the server
let discarding = false;

// drafts.js keeps what is typed: it hears of a form that has come, and of one that is done with.
const tell = (name, form, fresh) => form && document.dispatchEvent(new CustomEvent(name, { detail: { form, fresh } }));

// Opening

// app.js tells what went wrong; the refused promise says nothing more.
const load = (verb, url, target, values) => htmx.ajax(verb, url, { source: target, target, swap: "innerHTML", values }).catch(() => {});

document.addEventListener("app:dialog", ({ detail: { url, values } }) => {
  opener = document.activeElement;
  content.replaceChildren();
  load("POST", url, content, values);
});

document.addEventListener("app:drawer", ({ detail: { url } }) => load("GET", url, drawer));

document.addEventListener("htmx:afterSwap", ({ detail: { target, requestConfig } }) => {
  if (target === drawer) offcanvas.show();
  if (target === content) arrived(requestConfig.elt);
  if (target.id === "matching-table") markChosen();
});

function arrived(source) {
  const size = content.firstElementChild?.dataset.size;
  dialog.firstElementChild.className = `modal-dialog modal-dialog-scrollable ${size ? `modal-${size}` : ""}`;
  enhance(content);
  const fresh = !source.matches(".dialog-form");
  if (fresh) untouched = state(); // refused input counts as unsaved
  discarding = false;
  tell("app:form", content.querySelector("form"), fresh);
  if (isOpen()) focusFirst();
  else modal.show();
}

function focusFirst() {
  const wanted = content.querySelector(".is-invalid") ?? content.querySelector(".modal-body :is(input:not([type=hidden]), select, textarea):not([hidden] *)");
  (wanted ?? content.querySelector(".modal-footer .btn-submit, .modal-footer .btn"))?.focus();
}

dialog.addEventListener("shown.bs.modal", focusFirst);

// Buttons of a page or drawer that shows one thing; those of a list belong to list.js.

document.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-show-id] [data-action]");
  if (!button) return;
  const values = { selection: "ids", id: button.closest("[data-show-id]").dataset.showId, filter: "" };
  document.dispatchEvent(new CustomEvent("app:dialog", { detail: { url: button.dataset.formUrl, values } }));
});

// Closing: what somebody typed is not thrown away without asking

dialog.addEventListener("hide.bs.modal", (event) => {
  const strip = content.querySelector(".dialog-discard");
  if (discarding || !strip || state() === untouched) return;
  event.preventDefault();
  strip.hidden = false;
  strip.querySelector("button").focus();
});

dialog.addEventListener("hidden.bs.modal", () => {
  content.replaceChildren();
  opener?.focus();
});

drawer.addEventListener("hidden.bs.offcanvas", () => document.dispatchEvent(new CustomEvent("app:drawer-closed")));

content.addEventListener("click", ({ target }) => {
  if (target.closest("[data-keep-editing]")) {
    content.querySelector(".dialog-discard").hidden = true;
    focusFirst();
  }
  if (target.closest("[data-discard]")) {
    discarding = true;
    tell("app:form-done", content.querySelector("form"));
    modal.hide();
  }
});

// Esc closes the top-most thing, Ctrl+Enter submits.

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !event.defaultPrevented && !document.querySelector(".dropdown-menu.show")) {
    if (isOpen()) modal.hide();
    else if (drawer.classList.contains("show")) offcanvas.hide();
  }
  if (event.key === "Enter" && !event.ctrlKey && event.target.matches("#dialog [type=search]")) event.preventDefault();
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && isOpen()) {
    const submit = content.querySelector(".btn-submit:not(:disabled)");
    if (submit) submit.form.requestSubmit(submit);
  }
});

// After success the server redirects; the button stays busy until the new page is there.

document.addEventListener("htmx:afterRequest", ({ detail: { elt, xhr } }) => {
  if (!xhr.getResponseHeader("HX-Redirect") || !elt.matches(".dialog-form")) return;
  discarding = true;
  tell("app:form-done", elt);
  setTimeout(() => {
    elt.classList.add("htmx-request");
    elt.querySelector(".btn-submit").disabled = true;
  });
});

// An action from which a file comes: the page stays.

document.addEventListener("app:download", ({ detail: { url } }) => {
  discarding = true;
  tell("app:form-done", content.querySelector("form"));
  modal.hide();
  location.assign(url);
});

// A form whose answer is a file: the page stays, or the server leads it on.

content.addEventListener("submit", ({ target }) => {
  if (!target.matches("[data-takes-away]")) return;
  discarding = true;
  tell("app:form-done", target);
  setTimeout(() => modal.hide());
});

// Problems (app.js) are told here while the dialog is open; a dialog that could not even open gets an empty frame.

document.addEventListener("app:problem", (event) => {
  if (!isOpen()) return;
  event.preventDefault();
  if (!content.querySelector(".dialog-alert")) content.replaceChildren(template("dialog-frame"));
  const place = content.querySelector(".dialog-alert");
  place.replaceChildren(event.detail.element);
  place.scrollIntoView({ block: "nearest" });
});

// Controls

function enhance(part) {
  part.querySelectorAll("textarea[data-suggestions]").forEach(addSuggestions);
  part.querySelectorAll("[data-counter-for]").forEach(addCounter);
  document.dispatchEvent(new CustomEvent("app:enhance", { detail: { part } }));
  if (part.querySelector("#matching-table")) markChosen();
}

function addSuggestions(textarea) {
  const box = template("suggestions").firstElementChild;
  for (const text of JSON.parse(textarea.dataset.suggestions)) {
    const button = Object.assign(document.createElement("button"), { type: "button", className: "chip", textContent: text });
    button.addEventListener("click", () => {
      textarea.value = text;
      textarea.dispatchEvent(new Event("input", { bubbles: true }));
      textarea.focus();
    });
    box.append(button);
  }
  textarea.before(box);
}

function addCounter(counter) {
  const textarea = document.getElementById(counter.dataset.counterFor);
  const show = () => (counter.textContent = `${textarea.value.length} / ${textarea.maxLength}`);
  textarea.addEventListener("input", show);
  show();
}

// The table of institutions: a click anywhere in a row chooses it; the hidden field outside the table keeps the choice.

content.addEventListener("click", ({ target }) => {
  const row = target.closest("[data-institution]");
  if (!row || target.matches("input")) return;
  const radio = row.querySelector("input");
  radio.checked = true;
  radio.focus();
  radio.dispatchEvent(new Event("change", { bubbles: true }));
});

content.addEventListener("change", ({ target }) => {
  if (target.name === "choice") choose(target.closest("[data-institution]"));
});

function choose(row) {
  content.querySelector("[data-chosen]").value = row.dataset.institution;
  markChosen();
}

function markChosen() {
  const id = content.querySelector("[data-chosen]").value;
  for (const row of content.querySelectorAll("[data-institution]")) {
    const chosen = row.dataset.institution === id;
    row.classList.toggle("chosen", chosen);
    row.querySelector("input").checked = chosen;
    if (chosen) showChosen(row);
  }
}

function showChosen(row) {
  const line = content.querySelector("[data-matching-chosen]");
  line.hidden = false;
  line.querySelector("b").textContent = row.dataset.name;
  content.querySelector("[data-matching-reason]").hidden = "able" in row.dataset;
}
