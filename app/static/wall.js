// The screen on the wall: new figures each minute while somebody can see it, full screen, and an honest word when they are old.

const figures = document.getElementById("wall-figures");
const lost = document.getElementById("wall-lost");
const words = lost.querySelector("span");
const sentence = words.textContent;
const MINUTE = 60_000;
let asked = Date.now();

function refresh() {
  asked = Date.now();
  htmx.trigger(figures, "refresh");
}

setInterval(() => document.hidden || refresh(), MINUTE);
document.addEventListener("visibilitychange", () => !document.hidden && Date.now() - asked >= MINUTE && refresh());

// Whatever went wrong, the last figures stay, and it is said of when they are.
document.addEventListener("app:problem", (event) => {
  event.preventDefault();
  words.textContent = sentence.replace("{time}", document.getElementById("wall-time").textContent);
  lost.hidden = false;
});
document.addEventListener("htmx:afterSwap", () => (lost.hidden = true));

function toggle() {
  if (document.fullscreenElement) document.exitFullscreen();
  else document.documentElement.requestFullscreen();
}

document.querySelector("[data-full-screen]").addEventListener("click", toggle);
document.addEventListener("keydown", (event) => {
  if (event.key.toLowerCase() !== "f" || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  toggle();
});
