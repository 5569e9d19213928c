// Runs before the first paint: the remembered theme and the remembered width of the menu, so that nothing jumps or flashes.
{
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.bsTheme = localStorage.getItem("theme") ?? (dark ? "dark" : "light");
  root.dataset.sidebar = localStorage.getItem("sidebar") ?? "wide";
}
