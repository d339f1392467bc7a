/* Draws the interactive charts of executed notebooks.

   A notebook's chart is <div class="vega-chart"><script type="application/json">{Vega-Lite}</script></div>.
   A page without one loads nothing more than this file; a page with one loads Vega from the folder `vendor/`
   beside this file. Charts take the page's width and its light or dark colours, and follow both when they change. */
(() => {
  "use strict";

  const VENDOR = new URL("vendor/", document.currentScript.src);
  const SCRIPTS = ["vega.min.js", "vega-lite.min.js", "vega-embed.min.js"];
  const NARROW = 560; // pixels; below it a legend goes under its chart
  const CATEGORIES = {
    // Okabe and Ito's colours, told apart by colour-blind readers; lighter on a dark page.
    light: ["#0072b2", "#d55e00", "#009e73", "#b0568b", "#8a6d00", "#3a9bd1", "#333333"],
    dark: ["#56b4e9", "#ff9a57", "#2fc79a", "#df93bd", "#f0e442", "#7fd0ff", "#cccccc"],
  };

  function load(name) {
    return new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = new URL(name, VENDOR).href;
      script.async = false; // in the order of the list
      script.onload = resolve;
      script.onerror = () => reject(new Error(`${name} did not load`));
      document.head.append(script);
    });
  }

  const isDark = () => document.documentElement.dataset.theme === "dark";

  function config(width) {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const [text, muted, line] = ["text-base", "text-muted", "border"].map((n) => colour(`--pst-color-${n}`));
    const font = getComputedStyle(document.body).fontFamily;
    return {
      background: "transparent",
      font,
      view: { stroke: null },
      title: { color: text, subtitleColor: muted, anchor: "start", fontWeight: 600 },
      axis: { labelColor: muted, titleColor: text, gridColor: line, domainColor: muted, tickColor: muted,
        titleFontWeight: 500, labelFontSize: 12, titleFontSize: 13 },
      legend: { labelColor: muted, titleColor: text, titleFontWeight: 500, labelFontSize: 12,
        ...(width < NARROW ? { orient: "bottom", direction: "horizontal", columns: 2 } : {}) },
      header: { labelColor: text, titleColor: text },
      mark: { color: CATEGORIES[isDark() ? "dark" : "light"][0] },
      text: { color: text },
      range: { category: CATEGORIES[isDark() ? "dark" : "light"] },
    };
  }

  /* One view, or layers of one, can take the width of the page; a row of views keeps its own and scrolls. */
  function responsive(spec) {
    const single = "mark" in spec || "layer" in spec;
    const facetted = ["row", "column", "facet"].some((channel) => spec.encoding?.[channel]);
    if (!single || facetted) return spec;
    return { ...spec, width: "container" };
  }

  /* A long title breaks into lines where there is little room. */
  function withTitleInLines(spec, narrow) {
    const title = typeof spec.title === "string" ? { text: spec.title } : spec.title;
    if (!narrow || typeof title?.text !== "string") return spec;
    return { ...spec, title: { ...title, text: title.text.match(/.{1,38}(?:\s|$)/g) ?? title.text } };
  }

  const look = (holder) => `${isDark() ? "dark" : "light"} ${holder.element.clientWidth < NARROW ? "narrow" : "wide"}`;

  async function draw(holder) {
    if (holder.look === look(holder)) return;
    holder.look = look(holder);
    holder.result?.finalize();
    try {
      const narrow = holder.element.clientWidth < NARROW;
      const spec = withTitleInLines(responsive(holder.spec), narrow);
      holder.result = await vegaEmbed(holder.target, spec, {
        actions: { export: { svg: true, png: true }, source: false, compiled: false, editor: false },
        config: config(holder.element.clientWidth),
        downloadFileName: document.title.split(" — ")[0].trim(),
        loader: { target: "_self" }, // a link leads on in this tab
        logLevel: vega.Error, // Vega-Lite warns of every chart whose rows have a fixed height
        renderer: "svg",
      });
      name(holder.target);
      holder.element.dataset.drawn = holder.look;
    } catch (error) {
      holder.target.textContent = `This chart could not be drawn: ${error.message}`;
      console.error(error);
    }
  }

  /* Names for what Vega leaves without one: the button of the menu, and marks of which there are none. */
  function name(target) {
    target.querySelector("summary")?.setAttribute("aria-label", "Save this chart");
    for (const mark of target.querySelectorAll("[role^='graphics-']:not([aria-label])")) {
      mark.setAttribute("aria-label", mark.getAttribute("aria-roledescription"));
    }
  }

  function hold(element) {
    const target = document.createElement("div");
    target.className = "vega-chart-view";
    element.append(target);
    return { element, target, spec: JSON.parse(element.querySelector("script").textContent) };
  }

  async function start() {
    const elements = [...document.querySelectorAll('.vega-chart:has(> script[type="application/json"])')];
    if (elements.length === 0) return;
    const holders = elements.map(hold);
    try {
      await Promise.all(SCRIPTS.map(load));
    } catch (error) {
      holders.forEach((holder) => (holder.target.textContent = `This chart could not be drawn: ${error.message}`));
      return;
    }
    let queue = Promise.resolve();
    const redraw = () => (queue = queue.then(() => Promise.all(holders.map(draw))));
    redraw();
    const theme = { attributes: true, attributeFilter: ["data-theme"] };
    new MutationObserver(redraw).observe(document.documentElement, theme);
    window.addEventListener("resize", redraw);
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
