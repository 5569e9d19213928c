// Drafts: what is typed in a dialog, or in a form with data-draft, outlives an ended session, a reload and a crash. Kept in this
// tab's sessionStorage under account, form and what it is about; given back when the same form opens again; gone with success,
// with discarding and with signing out. Passwords, files, codes and tokens are never kept.

const PREFIX = "draft:";
const SENT = "draft-sent";
const SECRET = "[type=password], [type=file], [type=hidden], [type=search], [name*=captcha], [name*=token], [name=code]";
const { account } = document.body.dataset;
const forms = new WeakMap(); // form -> {key, served: what it held as it came}

let left = false; // signed out: the last events of the page keep nothing any more

const controls = (form) => [...form.elements].filter((each) => each.name && each.matches("input, select, textarea") && !each.matches(SECRET));

// Its hidden fields say what a form is about: the ticked rows, the revision of the row. What somebody chose is not among them.
function keyOf(form) {
  const about = [...form.querySelectorAll("input[type=hidden]:not([name=csrf_token], [data-chosen])")];
  const action = form.getAttribute("hx-post") ?? form.getAttribute("action");
  return PREFIX + JSON.stringify([account, action, ...about.map((field) => [field.name, field.value])]);
}

// [name, value, text]; the text is for selects that fetch their options.
function written(form) {
  const values = controls(form).flatMap((control) => {
    if (control.matches("[type=checkbox], [type=radio]")) return control.checked ? [[control.name, control.value]] : [];
    if (control.matches("select")) return [...control.selectedOptions].map((option) => [control.name, option.value, option.textContent]);
    return [[control.name, control.value]];
  });
  return JSON.stringify(values);
}

// Opening

function opened(form, fresh) {
  const key = keyOf(form);
  forms.set(form, { key, served: fresh ? written(form) : null });
  const kept = fresh && sessionStorage.getItem(key);
  if (!kept || kept === written(form)) return;
  fill(form, JSON.parse(kept));
  (form.querySelector(".modal-body") ?? form).prepend(document.getElementById("message-draft").content.cloneNode(true));
}

function fill(form, kept) {
  for (const control of controls(form)) {
    const mine = kept.filter(([name]) => name === control.name);
    if (control.matches("[type=checkbox], [type=radio]")) control.checked = mine.some(([, value]) => value === control.value);
    else if (control.matches("select")) choose(control, mine);
    else if (mine.length) control.value = mine[0][1];
    if (!control.matches("[type=radio]:not(:checked)")) changed(control);
  }
}

function choose(select, kept) {
  const values = kept.map(([, value]) => value);
  for (const option of select.options) option.selected = values.includes(option.value);
  if (!select.tomselect) return;
  for (const [, value, label] of kept) select.tomselect.addOption({ value, label });
  select.tomselect.setValue(values, true);
}

function changed(control) {
  for (const name of ["input", "change"]) control.dispatchEvent(new Event(name, { bubbles: true }));
}

// Keeping

function keep({ target }) {
  const draft = forms.get(target.form);
  if (!draft || left) return;
  const now = written(target.form);
  if (now === draft.served) sessionStorage.removeItem(draft.key);
  else sessionStorage.setItem(draft.key, now);
}

document.addEventListener("input", keep);
document.addEventListener("change", keep);

// Done with

function discard(form) {
  form.reset();
  for (const control of controls(form)) {
    control.tomselect?.sync();
    if (!control.matches("[type=radio]:not(:checked)")) changed(control);
  }
  sessionStorage.removeItem(forms.get(form).key);
}

document.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-discard-draft]");
  if (!button) return;
  discard(button.closest("form"));
  button.closest(".draft").remove();
});

document.addEventListener("app:form", ({ detail: { form, fresh } }) => opened(form, fresh));
document.addEventListener("app:form-done", ({ detail: { form } }) => sessionStorage.removeItem(keyOf(form)));

document.addEventListener("app:left", () => {
  left = true;
  for (const key of Object.keys(sessionStorage)) if (key.startsWith(PREFIX)) sessionStorage.removeItem(key);
});

// A form of the page itself is done with when the page after it is neither an error nor the form again with what is wrong.

const refused = (form) => Boolean(form.querySelector(".is-invalid, .field-error"));

document.addEventListener("submit", ({ target }) => {
  if (target.matches("[data-draft]")) sessionStorage.setItem(SENT, keyOf(target));
});

const sent = sessionStorage.getItem(SENT);
const here = [...document.querySelectorAll("form[data-draft]")];

if (sent) {
  sessionStorage.removeItem(SENT);
  const again = here.find((form) => keyOf(form) === sent);
  if (!document.querySelector(".message-code") && !(again && refused(again))) sessionStorage.removeItem(sent);
}

for (const form of here) opened(form, !refused(form));
