// Qualifications: one that somebody has is put into the form, to be changed.

function change(form, { qualification, items, validFrom, validUntil }) {
  const select = form.elements.catalogue_item_ids.tomselect;
  const chosen = Object.entries(JSON.parse(items));
  for (const [value, label] of chosen) select.addOption({ value, label });
  select.setValue(chosen.map(([value]) => value));
  form.elements.certificate_no.value = qualification;
  form.elements.valid_from.value = validFrom;
  form.elements.valid_until.value = validUntil;
  form.elements.valid_until.focus();
}

document.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-qualification]");
  if (button) change(button.form, button.dataset);
});
