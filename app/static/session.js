// The end of the session for idleness: a warning in time, in all tabs at once. They share one clock, localStorage["session-ends"];
// the server knows it exactly and is asked before the warning and before the end. Sends app:left when somebody signs out.

const CLOCK = "session-ends";
const idle = Number(document.body.dataset.idle) * 1000;
const lead = Math.min(120_000, idle / 2);
const slack = Math.min(60_000, idle / 10); // the server notes use once a minute at most
const warning = document.getElementById("idle");
const part = (name) => warning.querySelector(`[data-${name}]`);
const tabs = new BroadcastChannel("session");

const left = () => Number(localStorage.getItem(CLOCK)) - Date.now();
const share = (milliseconds) => localStorage.setItem(CLOCK, Date.now() + milliseconds);

share(idle - slack);

let asking = false;
let over = false;

async function tick() {
  if (asking || over) return;
  if (left() > lead) return warning.close();
  if (!warning.open || left() <= 0) {
    asking = true;
    await ask().finally(() => (asking = false));
  }
  if (left() > lead) return warning.close();
  if (left() <= 0 && part("offline").hidden) return end();
  show();
}

// Sets the clock by the server; without an answer it goes on as it was.
async function ask(url = "/session/remaining", options = {}) {
  const answer = await fetch(url, { cache: "no-store", ...options }).catch(() => null);
  part("offline").hidden = Boolean(answer);
  if (answer?.ok) share((await answer.json()).seconds * 1000);
  return answer;
}

function show() {
  const seconds = Math.max(Math.ceil(left() / 1000), 0);
  part("left").textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  if (!warning.open) warning.showModal();
  if ([60, 30, 10].includes(seconds)) part("told").textContent = part("left").textContent;
}

function end() {
  over = true;
  location.assign(`/session/over?next=${encodeURIComponent(location.pathname + location.search)}`);
}

// Staying

async function stay() {
  const meta = document.querySelector('meta[name="csrf-token"]');
  const extend = () => ask("/session/extend", { method: "POST", headers: { "X-CSRFToken": meta.content } });
  let answer = await extend();
  if (answer?.headers.has("X-CSRF-Error")) {
    const renewed = await fetch("/session/token", { headers: { "X-Account": encodeURIComponent(document.body.dataset.account) } });
    if (!renewed.ok) return warning.close(); // another account has signed in: its own pages keep its session
    meta.content = (await renewed.json()).token;
    answer = await extend();
  }
  part("final").hidden = !answer?.ok || left() > lead;
  if (answer?.status === 401) return end();
  tick();
}

part("stay").addEventListener("click", stay);

// Whoever presses Esc is there. The dialog below must not hear it.
warning.addEventListener("cancel", (event) => {
  event.preventDefault();
  stay();
});
warning.addEventListener("keydown", (event) => event.stopPropagation());

// A machine that slept, a tab that was behind others: look at once.
setInterval(tick, 1000);
for (const name of ["visibilitychange", "pageshow", "focus", "online"]) addEventListener(name, tick);
document.addEventListener("visibilitychange", tick);
addEventListener("storage", ({ key }) => key === CLOCK && tick());

// Signing out leaves nothing behind, in no tab.

const leave = () => document.dispatchEvent(new CustomEvent("app:left"));

document.addEventListener("submit", ({ target }) => {
  if (target.getAttribute("action") !== "/logout/") return;
  over = true;
  leave();
  tabs.postMessage("left");
});

tabs.addEventListener("message", () => {
  over = true; // what the clock says meanwhile leads nowhere else
  leave();
  setTimeout(async () => {
    await ask();
    if (left() <= 0) location.assign("/login/");
    else over = false;
  }, 2000);
});
