// The registration form: only the fields that the chosen kind of account needs.

const form = document.getElementById("login");

function showNeeded() {
  const kind = form.elements.kind.value;
  for (const part of form.querySelectorAll("[data-for]")) part.hidden = !part.dataset.for.split(" ").includes(kind);
}

form.addEventListener("change", ({ target }) => target.name === "kind" && showNeeded());
showNeeded();
form.querySelector(".is-invalid")?.focus();
