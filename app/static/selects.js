// Selects that search on the server: <select data-options-url="...">, asked with ?q=, answering {"options": [{"value", "label"}]}.
// With `multiple`, several can be chosen.
// The page has them from the start, dialogs bring theirs later (app:enhance, sent by dialog.js).

function searchSelect(select) {
  const { optionsUrl, placeholder } = select.dataset;
  return new TomSelect(select, {
    valueField: "value",
    labelField: "label",
    searchField: [],
    maxOptions: 50,
    placeholder,
    preload: "focus",
    plugins: select.multiple ? { remove_button: { title: "" } } : { clear_button: { title: "" } },
    dropdownParent: select.closest(".modal") ? "body" : null, // a dialog would cut it off at its foot
    shouldLoad: () => true,
    async load(q, done) {
      const url = new URL(optionsUrl, location.href);
      url.searchParams.set("q", q);
      const answer = await fetch(url).catch(() => null);
      this.clearOptions((option) => this.items.includes(String(option.value)));
      done(answer?.ok ? (await answer.json()).options : []);
    },
    onItemAdd() {
      if (select.multiple) this.setTextboxValue(""); // the next one is searched anew
    },
    render: { no_results: null, loading: null },
  });
}

const enhance = (part) => part.querySelectorAll("select[data-options-url]:not(.tomselected)").forEach(searchSelect);
document.addEventListener("app:enhance", ({ detail }) => enhance(detail.part));
enhance(document);
