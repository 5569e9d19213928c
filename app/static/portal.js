// A convenience only: choosing a place fills the select below it at once instead of after the next search.

const SAME_SITE = { credentials: "omit" };

for (const place of document.querySelectorAll("[data-places]")) {
  const levels = [...place.querySelectorAll("select")];
  place.addEventListener("change", (event) => fill(place.dataset.places, levels, levels.indexOf(event.target)));
}

async function fill(url, levels, changed) {
  for (const below of levels.slice(changed + 1)) below.replaceChildren(new Option(below.dataset.empty, ""));
  const parent = levels[changed].value, next = levels[changed + 1];
  if (!parent || !next) return;
  const answer = await fetch(`${url}?parent=${encodeURIComponent(parent)}`, SAME_SITE);
  if (!answer.ok || levels[changed].value !== parent) return;
  const { options } = await answer.json();
  next.append(...options.map((option) => new Option(option.label, option.value)));
}
