// My account: showing a password, the rule for passwords as it is met, copying and saving what is shown once.

// On a phone the tabs are wider than the screen.
document.querySelector(".tabs [aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });

document.addEventListener("click", async ({ target }) => {
  const eye = target.closest("[data-show-password]");
  if (eye) showPassword(eye);

  const copy = target.closest("[data-copy]");
  if (copy) {
    await navigator.clipboard.writeText(shown(copy.dataset.copy)).catch(() => select(copy.dataset.copy));
    copy.querySelector("span").textContent = copy.dataset.copied;
  }

  const save = target.closest("[data-save]");
  if (save) saveAs(save.dataset.file, shown(save.dataset.save));
});

const shown = (id) => document.getElementById(id).textContent;

function showPassword(eye) {
  const field = document.getElementById(eye.dataset.showPassword);
  field.type = field.type === "password" ? "text" : "password";
  eye.ariaPressed = String(field.type === "text");
}

// Without TLS a browser lets no page write to the clipboard; the text is then marked, ready for Ctrl+C.
function select(id) {
  const place = document.getElementById(id);
  place.hidden = false;
  getSelection().selectAllChildren(place);
}

function saveAs(name, text) {
  const url = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  Object.assign(document.createElement("a"), { href: url, download: name }).click();
  URL.revokeObjectURL(url);
}

// The rule for passwords: what can be told here is told while typing; the server decides.

const rule = document.getElementById("rule");

if (rule) {
  const form = rule.closest("form");
  const names = JSON.parse(form.dataset.names).filter((name) => name.length > 1);
  const { least, most } = rule.querySelector("[data-rule=length]").dataset;
  const classes = [/\p{Lu}/u, /\p{Ll}/u, /\p{Nd}/u, /[^\p{L}\p{N}]/u];
  const met = {
    length: (text) => text.length >= least && text.length <= most,
    classes: (text) => classes.filter((each) => each.test(text)).length >= 3,
    names: (text) => text && !names.some((name) => text.toLowerCase().includes(name.toLowerCase())),
  };
  form.elements.password.addEventListener("input", ({ target }) => {
    for (const line of rule.querySelectorAll("[data-rule]")) {
      const good = Boolean(met[line.dataset.rule](target.value));
      line.classList.toggle("met", good);
      line.querySelector("[data-met]").hidden = !good;
    }
  });
}
