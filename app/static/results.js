// Recording results: what failed is asked where something did.

document.addEventListener("app:enhance", ({ detail }) => {
  const form = detail.part.querySelector("[data-result-form]");
  form?.addEventListener("change", ({ target }) => {
    if (target.name !== "failed") return;
    const failure = target.closest("[data-conclusion]").querySelector("[name^=failure-]");
    failure.hidden = !target.checked;
    if (target.checked) failure.focus();
  });
});
