/* Lets the book's small models run in the page.

   A place for one is <div class="live"><script type="application/json">{what to begin with}</script>...</div>; what
   else it holds stands there without scripts. A page without one loads nothing more than this file. The page "Try it"
   loads the scripts of the folder `live/` at once, a chapter when its reader asks. */
(() => {
  "use strict";

  const STATIC = new URL(".", document.currentScript.src);
  const SCRIPTS = ["space", "tokenizer", "weights", "network", "questions", "worker", "checkpoints"];
  SCRIPTS.push("dom", "chart", "strip", "views", "tour", "app");
  let loaded;

  function element(kind, attributes) {
    return new Promise((resolve, reject) => {
      const made = Object.assign(document.createElement(kind), attributes);
      made.async = false; // scripts run in the order of the list
      made.onload = resolve;
      made.onerror = () => reject(new Error(`${made.src || made.href} did not load`));
      document.head.append(made);
    });
  }

  function load() {
    const script = (name) => element("script", { src: new URL(name, STATIC).href });
    const style = element("link", { rel: "stylesheet", href: new URL("live/live.css", STATIC).href });
    const data = ["checkpoints/models.js", "checkpoints/vocabulary.js"];
    return Promise.all([style, ...SCRIPTS.map((name) => script(`live/${name}.js`)), script(data[0])]).then(() =>
      globalThis.live.models.models.length ? script(data[1]) : undefined,
    );
  }

  async function start(place) {
    const told = JSON.parse(place.querySelector("script").textContent);
    try {
      await (loaded ??= load());
      globalThis.live.start(place, told, new URL("checkpoints/", STATIC));
    } catch (error) {
      loaded = undefined;
      tell(place, `The model cannot be run here: ${error.message}. Load the page again to try once more.`);
    }
  }

  function tell(place, text) {
    place.querySelector(".live-fault")?.remove();
    const fault = Object.assign(document.createElement("p"), { className: "live-fault", textContent: text });
    fault.setAttribute("role", "alert");
    place.append(fault);
  }

  function offer(place) {
    const button = Object.assign(document.createElement("button"), { type: "button", className: "live-open" });
    button.textContent = "Ask the model yourself";
    button.addEventListener("click", () => {
      button.disabled = true;
      button.textContent = "Loading the model …";
      start(place).finally(() => button.remove());
    });
    place.append(button);
  }

  function startAll() {
    for (const place of document.querySelectorAll(".live")) {
      if (place.dataset.begin === "at-once") start(place);
      else offer(place);
    }
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", startAll);
  else startAll();
})();
