/* Saves a chart as SVG or PNG: whole, with its legend, on white, whatever the page's colours and width are. */
(() => {
  "use strict";

  const book = (window.bookCharts ??= {});

  async function save(holder, kind) {
    const spec = book.curvesOf(holder.spec) ? book.withChoice(holder.spec) : holder.spec;
    const width = spec.width === "container" ? 620 : spec.width;
    const config = { ...holder.config("light"), background: "#ffffff" };
    const compiled = vegaLite.compile({ ...spec, ...(width ? { width } : {}), padding: 12 }, { config, logger: vega.logger(vega.Error) });
    const view = new vega.View(vega.parse(compiled.spec), { renderer: "none" });
    const address = await view.toImageURL(kind, kind === "png" ? 2 : 1);
    view.finalize();
    Object.assign(document.createElement("a"), { href: address, download: `${holder.name}.${kind}` }).click();
  }

  function menu(holder) {
    const details = document.createElement("details");
    details.className = "chart-save";
    details.append(Object.assign(document.createElement("summary"), { textContent: "Save" }));
    details.firstChild.setAttribute("aria-label", "Save this chart as a picture");
    const list = document.createElement("div");
    for (const kind of ["svg", "png"]) {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: kind.toUpperCase() });
      button.setAttribute("aria-label", `Save as ${kind.toUpperCase()}`);
      button.addEventListener("click", () => save(holder, kind));
      list.append(button);
    }
    details.append(list);
    details.addEventListener("keydown", (event) => {
      if (event.key === "Escape") [details.open] = [false, details.firstChild.focus()];
    });
    return details;
  }

  Object.assign(book, { saveMenu: menu });
})();
