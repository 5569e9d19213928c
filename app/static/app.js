// The shell: menu, theme, toasts, the loading bar, and what every request of htmx has in common: the CSRF token, the expired
// session, the lost network. The scripts do not import each other; they send events to the document:
//   app:dialog {url, values}   app:drawer {url}   app:toast {element, style}   app:problem {element}

const root = document.documentElement;
const send = (name, detail) => document.dispatchEvent(new CustomEvent(name, { detail, cancelable: true }));
const message = (id) => document.getElementById(id)?.content.firstElementChild.cloneNode(true);

// Menu and theme

const toggles = {
  theme() {
    root.dataset.bsTheme = root.dataset.bsTheme === "dark" ? "light" : "dark";
    localStorage.setItem("theme", root.dataset.bsTheme);
  },
  sidebar() {
    if (matchMedia("(max-width: 991.98px)").matches) {
      document.body.classList.toggle("menu-open");
      return;
    }
    root.dataset.sidebar = root.dataset.sidebar === "narrow" ? "wide" : "narrow";
    localStorage.setItem("sidebar", root.dataset.sidebar);
  },
  filters(button) {
    const open = button.form.classList.toggle("open");
    button.setAttribute("aria-expanded", open);
  },
};

document.addEventListener("click", ({ target }) => {
  const toggle = target.closest("[data-toggle]");
  if (toggle) toggles[toggle.dataset.toggle]?.(toggle);

  const head = target.closest("button.menu-head");
  if (head) head.setAttribute("aria-expanded", head.parentElement.classList.toggle("open"));

  if (target.closest("[data-print]")) print();
  if (target.closest("[data-back]")) history.back();
});

document.querySelector('.menu [aria-current="page"]')?.scrollIntoView({ block: "nearest" });

// Toasts: those in the page come from the server, others from app:toast

const toasts = document.getElementById("toasts");

function showToast(toast) {
  const autohide = !toast.matches(".toast-danger");
  const delay = toast.matches(".toast-warning") || toast.querySelector("form") ? 15000 : 6000; // time to read, to undo
  new tabler.Toast(toast, { autohide, delay }).show();
  toast.addEventListener("hidden.bs.toast", () => toast.remove());
}

document.addEventListener("app:toast", ({ detail }) => {
  const toast = message("toast-frame");
  toast.classList.add(`toast-${detail.style ?? "info"}`);
  toast.querySelector(".toast-body").append(detail.element);
  toasts.append(toast);
  showToast(toast);
});

toasts?.querySelectorAll(".toast").forEach(showToast);

// A problem is shown in the open dialog, which says so by preventDefault, otherwise as a toast.

function tellProblem(element) {
  const style = element.className.match(/alert-(info|warning|danger)/)?.[1];
  if (send("app:problem", { element })) send("app:toast", { element, style });
}

// The CSRF token. A page belongs to the account that opened it: the server refuses what it sends while another one is signed in.

const tokenMeta = document.querySelector('meta[name="csrf-token"]');
const madeFor = document.body.dataset.account ? { "X-Account": encodeURIComponent(document.body.dataset.account) } : {};

// Gives null, and tells why, if another account has signed in meanwhile.
async function renewToken() {
  const answer = await fetch("/session/token", { headers: madeFor });
  if (!answer.ok) {
    tellProblem(problemIn(answer.status, await answer.text()));
    return null;
  }
  const { token } = await answer.json();
  tokenMeta.content = token;
  document.querySelectorAll('input[name="csrf_token"]').forEach((field) => (field.value = token));
  return token;
}

// fetch for our own scripts: sends the token, renews it once, tells problems; gives null when there is no good answer.
async function request(url, options = {}, again = true) {
  let answer;
  try {
    answer = await fetch(url, { ...options, headers: { "X-CSRFToken": tokenMeta.content, "X-Requested-With": "fetch", ...madeFor } });
  } catch {
    tellProblem(message("message-network"));
    return null;
  }
  if (answer.headers.has("X-CSRF-Error") && again) {
    return (await renewToken()) && request(url, options, false);
  }
  if (answer.ok) return answer;
  tellProblem(problemIn(answer.status, await answer.text()));
  return null;
}

function problemIn(status, html) {
  if (status === 401) return message("message-expired");
  const alert = new DOMParser().parseFromString(html, "text/html").querySelector("[data-alert]");
  return alert ?? message("message-failed");
}

// What htmx does

const progress = document.getElementById("progress");
let running = 0;
const count = (step) => progress?.classList.toggle("running", (running = Math.max(0, running + step)) > 0);

document.addEventListener("htmx:configRequest", ({ detail }) => Object.assign(detail.headers, { "X-CSRFToken": tokenMeta.content }, madeFor));
document.addEventListener("htmx:beforeRequest", () => count(1));
document.addEventListener("htmx:afterRequest", () => count(-1));
document.addEventListener("htmx:sendError", () => tellProblem(message("message-network")));
document.addEventListener("htmx:timeout", () => tellProblem(message("message-network")));

document.addEventListener("htmx:responseError", async ({ detail: { xhr, requestConfig } }) => {
  const { headers, verb, path, target, elt, formData } = requestConfig;
  if (xhr.getResponseHeader("X-CSRF-Error") && !headers["X-CSRF-Retry"]) {
    const token = await renewToken();
    if (!token) return;
    if (formData.has("csrf_token")) formData.set("csrf_token", token);
    htmx.ajax(verb, path, { source: elt, target, values: formData, headers: { "X-CSRF-Retry": "1" } });
    return;
  }
  tellProblem(problemIn(xhr.status, xhr.responseText));
});

// A value that is hidden until somebody asks; the server writes down who asked.

document.addEventListener("click", async ({ target }) => {
  const button = target.closest(".btn-reveal");
  if (!button) return;
  button.disabled = true;
  const answer = await request(button.dataset.url, { method: "POST" });
  button.disabled = false;
  if (answer) button.parentElement.textContent = (await answer.json()).value;
});
