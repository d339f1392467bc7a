/* Boxes that open (`details`): a link into one opens it, and so does print. Code is hidden until the switch of the
   page says otherwise; what it says is remembered. Without this script each has a button of its own. */
(() => {
  "use strict";

  const CODE = "details.hide.above-input";
  const FOLDS = "details.fold, details.sd-dropdown";
  const root = document.documentElement;

  function openAround(hash) {
    const target = hash.length > 1 && document.getElementById(decodeURIComponent(hash.slice(1)));
    if (!target) return;
    for (let box = target.closest("details"); box; box = box.parentElement.closest("details")) box.open = true;
    target.scrollIntoView();
  }

  function openForPrint(printing) {
    for (const box of document.querySelectorAll(FOLDS)) {
      if (printing && !box.open) {
        box.open = true;
        box.dataset.opened = "print";
      } else if (!printing && box.dataset.opened) {
        box.open = false;
        delete box.dataset.opened;
      }
    }
  }

  function show(button, shown) {
    root.dataset.code = shown ? "shown" : "hidden";
    localStorage.setItem("code", root.dataset.code);
    draw(button);
  }

  function draw(button) {
    const shown = root.dataset.code === "shown";
    for (const box of document.querySelectorAll(CODE)) box.open = shown;
    button.setAttribute("aria-pressed", shown);
    button.textContent = shown ? "Hide code" : "Show code";
  }

  function addSwitch() {
    const place = document.querySelector(".article-header-buttons");
    if (!place || !document.querySelector(CODE)) return;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "btn btn-sm code-switch";
    button.addEventListener("click", () => show(button, root.dataset.code !== "shown"));
    draw(button);
    place.prepend(button);
  }

  function start() {
    addSwitch();
    if (location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)))?.closest("details"))
      openAround(location.hash);
    addEventListener("hashchange", () => openAround(location.hash));
    addEventListener("beforeprint", () => openForPrint(true));
    addEventListener("afterprint", () => openForPrint(false));
    matchMedia("print").addEventListener("change", (query) => openForPrint(query.matches));
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
