/* Draws the interactive charts of executed notebooks.

   A notebook's chart is <div class="vega-chart"><script type="application/json">{Vega-Lite}</script></div>.
   A page without one loads nothing more than the bundle; Vega comes from the folder `vendor/` beside it when the
   first chart comes near. Charts take the page's width and its light or dark colours, and follow both when they
   change. Those of curves are fitted by chart-curves.js; what stands in a chart's place without scripts and in
   print is the picture beside it. */
(() => {
  "use strict";

  const book = (window.bookCharts ??= {});
  const VENDOR = new URL("vendor/", document.currentScript.src);
  const SCRIPTS = ["vega.min.js", "vega-lite.min.js", "vega-embed.min.js"];
  const NARROW = 560; // pixels; below it a legend goes under its chart
  const AHEAD = "600px"; // a chart is drawn when it is so near
  const CATEGORIES = {
    // Okabe and Ito's colours, told apart by colour-blind readers; lighter on a dark page.
    light: ["#0072b2", "#d55e00", "#009e73", "#b0568b", "#8a6d00", "#3a9bd1", "#333333"],
    dark: ["#56b4e9", "#ff9a57", "#2fc79a", "#df93bd", "#f0e442", "#7fd0ff", "#cccccc"],
  };
  const LIGHT = { "text-base": "#1f2a30", "text-muted": "#52616a", border: "#d5dde1" };

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
  let loading;
  const ready = () => (loading ??= Promise.all(SCRIPTS.map(load)));

  const theme = () => (document.documentElement.dataset.theme === "dark" ? "dark" : "light");
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--pst-color-${name}`).trim();

  function config(width, scheme = theme()) {
    const own = scheme === theme() ? colour : (name) => LIGHT[name];
    const [text, muted, line] = ["text-base", "text-muted", "border"].map(own);
    const font = getComputedStyle(document.body).fontFamily;
    return {
      aria: false, // thousands of points would be told one by one; the page says what is to be seen
      background: "transparent",
      font,
      view: { stroke: null },
      title: { color: text, subtitleColor: muted, anchor: "start", fontWeight: 600 },
      axis: { labelColor: muted, titleColor: text, gridColor: line, domainColor: muted, tickColor: muted,
        titleFontWeight: 500, labelFontSize: 12, titleFontSize: 13 },
      legend: { labelColor: muted, titleColor: text, titleFontWeight: 500, labelFontSize: 12,
        ...(width < NARROW ? { orient: "bottom", direction: "horizontal", columns: 2 } : {}) },
      header: { labelColor: text, titleColor: text },
      mark: { color: CATEGORIES[scheme][0] },
      text: { color: text },
      range: { category: CATEGORIES[scheme] },
    };
  }

  Object.assign(book, { ready, config, theme });

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

  function prepared(holder, width) {
    const own = book.curvesOf(holder.spec) ? book.fitted(holder.spec, width) : responsive(holder.spec);
    const spec = withTitleInLines(own, width < NARROW);
    const dark = theme() === "dark" && holder.spec.usermeta?.dark;
    return dark ? book.recoloured(spec, dark) : spec;
  }

  const look = (holder) => `${theme()} ${holder.element.clientWidth < NARROW ? "narrow" : "wide"}`;
  const shape = (holder) => `${look(holder)} ${book.curvesOf(holder.spec) ? holder.element.clientWidth : ""}`;

  async function draw(holder) {
    if (!holder.near || !holder.element.clientWidth || holder.shape === shape(holder)) return;
    holder.shape = shape(holder);
    const width = holder.element.clientWidth;
    try {
      await ready();
      holder.result?.finalize();
      holder.result = await vegaEmbed(holder.target, prepared(holder, width), {
        actions: false,
        config: config(width),
        loader: { target: "_self" }, // a link leads on in this tab
        logLevel: vega.Error, // Vega-Lite warns of every chart whose rows have a fixed height
        renderer: "svg",
        tooltip: { theme: theme() },
      });
      if (book.curvesOf(holder.spec)) await book.refit(holder);
      drawn(holder);
    } catch (error) {
      holder.element.classList.add("failed");
      holder.target.textContent = `This chart could not be drawn: ${error.message}`;
      console.error(error);
    }
  }

  function drawn(holder) {
    const svg = holder.target.querySelector("svg");
    svg?.setAttribute("role", "img");
    svg?.setAttribute("aria-label", holder.told);
    for (const part of svg?.querySelectorAll("[role^='graphics']") ?? []) part.removeAttribute("role");
    if (book.curvesOf(holder.spec)) book.leadToNotebooks(holder);
    else followSteps(holder);
    holder.element.dataset.drawn = look(holder);
  }

  /* A map of layers or heads has a slider of its own steps: it goes along with the step that the page marks. */
  function followSteps(holder) {
    const { view } = holder.result;
    const { steps, param } = holder.spec.usermeta?.steps ?? {};
    if (!steps) return;
    const place = () => steps.findLastIndex((step) => step <= book.state.step);
    holder.follow = () => {
      if (book.state.step !== null && place() >= 0) view.signal(param, place()).runAsync();
    };
    holder.follow();
    view.addSignalListener(param, (_, index) => index !== place() && book.mark(steps[index]));
  }

  function paintChips() {
    for (const line of document.querySelectorAll(".chart-chip [data-colour]"))
      line.style.stroke = line.dataset[theme() === "dark" ? "dark" : "colour"];
  }

  function hold(element) {
    const spec = JSON.parse(element.querySelector("script").textContent);
    const target = document.createElement("div");
    target.className = "vega-chart-view";
    const told = element.dataset.alt ?? element.closest("figure")?.querySelector("img")?.alt ?? "Chart";
    const holder = { element, target, spec, told, near: false };
    holder.config = (scheme) => config(NARROW, scheme);
    holder.name = element.closest("figure")?.id || document.title.split(" — ")[0].trim();
    const tools = document.createElement("div");
    tools.className = "chart-tools";
    if (book.curvesOf(spec)) {
      holder.legend = book.legend(spec);
      if (book.curvesOf(spec).lines.length > 1) tools.append(holder.legend.element);
    }
    tools.append(book.saveMenu(holder));
    element.append(tools, target);
    element.classList.add("held");
    reserve(holder);
    return holder;
  }

  /* A chart has its height before it is drawn, so that nothing moves then. */
  function reserve(holder) {
    const { curves, height } = holder.spec.usermeta ?? {};
    const total = curves ? book.layout(holder.spec, holder.element.clientWidth).total : height;
    if (total) holder.target.style.minHeight = `${total}px`;
  }

  function follow(holder) {
    holder.legend?.update();
    if (book.curvesOf(holder.spec)) book.follow(holder);
    else holder.follow?.();
  }

  function start() {
    const elements = [...document.querySelectorAll('.vega-chart:has(> script[type="application/json"])')];
    if (elements.length === 0) return;
    const holders = elements.map(hold);
    let queue = Promise.resolve();
    const redraw = () => (queue = queue.then(async () => {
      for (const holder of holders) await draw(holder);
    }));
    const bar = book.bar(holders.map((holder) => holder.spec));
    const inView = new Set();
    const observe = (margin, act) => {
      const observer = new IntersectionObserver((entries) => {
        entries.forEach(({ target, isIntersecting }) => act(holders.find((each) => each.element === target), isIntersecting));
      }, { rootMargin: margin });
      elements.forEach((element) => observer.observe(element));
    };
    observe(`${AHEAD} 0px`, (holder, near) => {
      holder.near = near;
      if (near) redraw();
    });
    observe("0px", (holder, seen) => {
      inView[seen ? "add" : "delete"](holder);
      if (bar) bar.hidden = inView.size === 0;
    });
    const again = () => {
      holders.forEach(reserve);
      paintChips();
      redraw();
    };
    again();
    book.listen(() => holders.forEach(follow));
    new MutationObserver(again).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
    window.addEventListener("resize", again);
    window.addEventListener("beforeprint", () => document.querySelectorAll("img[loading]").forEach((img) => (img.loading = "eager")));
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
