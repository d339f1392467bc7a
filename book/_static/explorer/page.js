/* The explorer's page: controls, the chart, the numbers at a step. The other files of this folder do the work. */
(() => {
  "use strict";

  const { read, places, complete, missing, toAddress, fromAddress, rows, pairs, allowedSeries, Chart } = PythiaExplorer;
  const RUNS = new URL("../../cells/", document.currentScript.src).href;
  const FORMS = { curves: "curves over training", pair: "against another metric", size: "by size, at one step" };
  const FOCUSABLE = "select, input, button, summary";

  /* An element with properties and children; a text is text. */
  function make(tag, properties = {}, ...children) {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  }

  const number = (value) => (value === null || Number.isNaN(value) ? "–" : String(Number(value.toPrecision(4))));

  function chooser(label, options, value, change) {
    const id = `explorer-${label.toLowerCase().replaceAll(" ", "-")}`;
    const select = make("select", { id, onchange: () => change(select.value) });
    for (const [key, text] of options) select.append(make("option", { value: key, selected: key === value }, text));
    return make("div", { className: "explorer-chooser" }, make("label", { htmlFor: id }, label), select);
  }

  /* The part that has the keyboard's focus, to give it back when the parts are made anew. */
  function focusIn(element) {
    const part = [...element.children].find((each) => each.contains(document.activeElement));
    if (!part) return () => {};
    const at = [...part.querySelectorAll(FOCUSABLE)].indexOf(document.activeElement);
    const same = part.querySelector("select")?.id ?? part.className;
    return () => {
      const again = [...element.children].find((each) => (each.querySelector("select")?.id ?? each.className) === same);
      again?.querySelectorAll(FOCUSABLE)[at]?.focus();
    };
  }

  class Explorer {
    constructor(element, tables) {
      this.element = element;
      this.tables = tables;
      const part = (name) => element.querySelector(`.explorer-${name}`);
      [this.controls, this.target, this.steps, this.table, this.notice, this.told] = ["controls", "chart", "steps", "table", "notice", "told"].map(part);
      this.chart = new Chart(this.target);
      this.queue = Promise.resolve();
    }

    get of() {
      return this.tables[this.choice.shown];
    }

    /* Take a choice, or a change of it, and show it. */
    choose(change, keep = true) {
      const wished = { ...(keep ? this.choice : {}), ...change };
      this.choice = complete(wished, this.tables);
      this.notice.textContent = missing(change, this.choice);
      this.find();
      history.replaceState(null, "", toAddress(this.choice));
      this.build();
      return this.draw();
    }

    /* The rows of the choice, and the steps that they have. */
    find() {
      const found = this.choice.view === "pair" ? pairs(this.choice, this.tables) : { drawn: rows(this.choice, this.tables), elsewhere: "" };
      this.rows = found.drawn;
      this.elsewhere = found.elsewhere;
      this.measured = [...new Set(this.rows.map((row) => row.step))].sort((a, b) => a - b);
      if (!this.measured.includes(this.choice.step)) this.choice.step = this.nearest(this.choice.step);
    }

    nearest(step) {
      if (step === null) return this.measured.at(-1) ?? null;
      return this.measured.reduce((best, each) => (Math.abs(each - step) < Math.abs(best - step) ? each : best), this.measured.at(-1) ?? null);
    }

    // --- controls ------------------------------------------------------------------------------------------------

    build() {
      const focus = focusIn(this.controls);
      const { choice, of } = this;
      const names = (map) => [...map.keys()].map((name) => [name, name]);
      const metrics = of.index.get(choice.source);
      const set = (key) => (value) => this.choose({ [key]: value });
      const parts = [
        chooser("Numbers of", Object.entries(this.tables).map(([key, table]) => [key, table.title]), choice.shown, (shown) => this.choose({ shown }, false)),
        chooser("Experiment", names(of.index), choice.source, (source) => this.choose({ source, metric: "", subsets: [] })),
        chooser("Metric", names(metrics), choice.metric, (metric) => this.choose({ metric })),
        chooser("Drawn", Object.entries(FORMS), choice.view, set("view")),
        ...(choice.view === "pair" ? this.other(set, names) : []),
        ...(this.hasSeeds() ? [chooser("Seeds", [["each", "each run"], ["usual", "the usual seed"], ["mean", "mean and range"]], choice.seeds, set("seeds"))] : []),
        ...(choice.subsets.length > 1 ? [chooser("Scales", [["same", "the same in all panels"], ["own", "each panel its own"]], choice.scale, set("scale"))] : []),
        this.subsetList(metrics.get(choice.metric)),
        this.models(),
        this.buttons(),
      ];
      this.controls.replaceChildren(...parts);
      focus();
      this.slider();
    }

    other(set, names) {
      const { choice, of } = this;
      return [
        chooser("Other experiment", names(of.index), choice.otherSource, (otherSource) => this.choose({ otherSource, otherMetric: "" })),
        chooser("Other metric", names(of.index.get(choice.otherSource)), choice.otherMetric, set("otherMetric")),
      ];
    }

    hasSeeds() {
      const kinds = this.of.table.names.series.map((name) => this.of.about[name].kind);
      return new Set(kinds).size < kinds.length;
    }

    /* A panel for each subset that is ticked. */
    subsetList(there) {
      const chosen = new Set(this.choice.subsets);
      const names = [...there.keys()];
      const change = (name, on) => {
        const subsets = names.filter((each) => (each === name ? on : chosen.has(each)));
        if (subsets.length) this.choose({ subsets });
        else this.build();
      };
      const boxes = names.map((name) => {
        const box = make("input", { type: "checkbox", checked: chosen.has(name), onchange: () => change(name, box.checked) });
        return make("label", { className: "explorer-box" }, box, name);
      });
      const list = make("div", { className: "explorer-list" }, ...boxes);
      const told = `Panels: ${chosen.size} of ${names.length}`;
      const open = this.controls.querySelector(".explorer-subsets")?.open ?? false;
      return make("details", { className: "explorer-subsets", open }, make("summary", {}, told), list);
    }

    /* A button for each size and variant, in its colour; one that is off is not drawn. */
    models() {
      const { about, table } = this.of;
      const off = new Set(this.choice.without);
      const place = this.of.index.get(this.choice.source).get(this.choice.metric);
      const there = new Set();
      for (const name of this.choice.subsets) {
        for (let row = place.get(name)[0]; row < place.get(name)[1]; row++) there.add(table.columns.series[row]);
      }
      const kinds = new Map();
      for (const code of [...there].sort((a, b) => about[table.names.series[a]].order - about[table.names.series[b]].order)) {
        const each = about[table.names.series[code]];
        if (!kinds.has(each.kind)) kinds.set(each.kind, each);
      }
      const toggle = (kind) => this.choose({ without: off.has(kind) ? [...off].filter((each) => each !== kind) : [...off, kind] });
      const chips = [...kinds.values()].map(({ kind, light, dark, dash }) => {
        const chip = make("button", { type: "button", className: "explorer-chip", onclick: () => toggle(kind) }, make("i"), kind);
        chip.setAttribute("aria-pressed", String(!off.has(kind)));
        chip.style.setProperty("--light", light);
        chip.style.setProperty("--dark", dark);
        chip.style.setProperty("--line", dash.length > 1 && dash[1] ? "dashed" : "solid");
        return chip;
      });
      const group = make("div", { className: "explorer-models", role: "group" }, ...chips);
      group.setAttribute("aria-label", "Models");
      return group;
    }

    buttons() {
      const copy = make("button", { type: "button", onclick: () => this.copy(copy) }, "Copy link");
      const csv = make("button", { type: "button", onclick: () => this.save() }, "Save as CSV");
      const svg = make("button", { type: "button", onclick: async () => this.keep(await this.chart.asSVG(), "svg") }, "Save as SVG");
      return make("div", { className: "explorer-buttons" }, csv, svg, copy);
    }

    async copy(button) {
      try {
        await navigator.clipboard.writeText(location.href);
        button.textContent = "Copied";
      } catch {
        this.notice.textContent = `Copy it from here: ${location.href}`;
      }
    }

    save() {
      const columns = ["experiment", "metric", "subset", "model", "step", "value", "low", "high", "interval", "n"];
      const quoted = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
      const lines = this.rows.map((row) =>
        [this.choice.source, this.choice.metric, row.panel, row.series, row.step, row.value, row.low ?? "", row.high ?? "", row.low === null ? "" : row.over, row.n ?? ""]
          .map((each) => quoted(typeof each === "number" && !Number.isInteger(each) ? String(Number(each.toPrecision(5))) : String(each))).join(","));
      this.keep(new Blob([[columns.join(","), ...lines, ""].join("\n")], { type: "text/csv" }), "csv");
    }

    /* Offer a file to be kept. */
    keep(file, ending) {
      const link = make("a", { href: URL.createObjectURL(file), download: `${this.choice.source} ${this.choice.metric}.${ending}` });
      link.click();
      URL.revokeObjectURL(link.href);
    }

    // --- the step ------------------------------------------------------------------------------------------------

    slider() {
      const at = this.measured.indexOf(this.choice.step);
      if (!this.range) {
        this.range = make("input", { type: "range", min: 0, oninput: () => this.moveTo(this.measured[this.range.value]) });
        this.output = make("output");
        this.steps.append(make("label", {}, make("span", {}, "Step"), this.range), this.output);
      }
      this.range.max = Math.max(0, this.measured.length - 1);
      this.range.value = at;
      this.tell();
    }

    moveTo(step) {
      this.choice.step = step;
      history.replaceState(null, "", toAddress(this.choice));
      this.tell();
      this.queue = this.queue.then(() => this.chart.mark(step));
    }

    /* What was measured at the step, as a table: the same for eyes, readers of screens and keyboards. */
    tell() {
      const step = this.choice.step;
      const name = step === null ? "none" : step.toLocaleString("en");
      this.output.value = name;
      this.range.setAttribute("aria-valuetext", `step ${name}`);
      const here = this.rows.filter((row) => row.step === step);
      const panels = [...new Set(here.map((row) => row.panel))];
      const head = make("tr", {}, make("th", { scope: "col" }, "model"), ...panels.map((panel) => make("th", { scope: "col" }, panel)));
      const body = [...Map.groupBy(here, (row) => row.series)].map(([series, own]) => {
        const cells = panels.map((panel) => this.cell(own.find((row) => row.panel === panel)));
        return make("tr", {}, make("th", { scope: "row" }, series), ...cells);
      });
      const caption = make("caption", {}, `${this.choice.metric} at step ${name}${this.spread(here)}`);
      this.table.replaceChildren(caption, make("thead", {}, head), make("tbody", {}, ...body));
    }

    cell(row) {
      if (!row) return make("td", {}, "–");
      const band = row.low === null ? "" : ` [${number(row.low)}, ${number(row.high)}]`;
      const other = row.other === undefined ? "" : `; ${this.choice.otherMetric} ${number(row.other)}`;
      const text = number(row.value) + band + other;
      return make("td", {}, row.page ? make("a", { href: RUNS + row.page, title: "the notebook that measured it" }, text) : text);
    }

    spread(here) {
      const kinds = [...new Set(here.filter((row) => row.low !== null).map((row) => row.over))];
      return kinds.length ? `; in brackets: ${kinds.join(" or ")}` : "";
    }

    // --- drawing -------------------------------------------------------------------------------------------------

    draw() {
      const { rows: drawn, choice, of, elsewhere } = this;
      this.chart.told = `${choice.metric} of ${choice.subsets.join(", ")}, ${FORMS[choice.view]}. The numbers are in the table below.`;
      const many = choice.subsets.length;
      this.told.textContent = drawn.length
        ? `${drawn.length.toLocaleString("en")} numbers of ${of.title}. ${elsewhere ? `The other metric is drawn of “${elsewhere}” where it has no such panel.` : ""}`
        : "Nothing to draw: no model is chosen that has these numbers.";
      this.queue = this.queue.then(() => (drawn.length ? this.chart.draw(drawn, choice, of.about, RUNS) : this.target.replaceChildren()));
      return this.queue.then(() => (this.element.dataset.drawn = `${choice.metric} ${many}`));
    }
  }

  /* The experiments whose runs have pages on this site: those whose chapters its list names. */
  function onSite() {
    const links = [...document.querySelectorAll('a[href*="experiments/"]')];
    return new Set(links.map((link) => /experiments\/(\w+)\.html/.exec(link.href)?.[1]));
  }

  /* Pages of runs that are not on this site are no links. */
  function withoutOthers(table) {
    const there = onSite();
    if (there.size) table.names.page = table.names.page.map((page) => (there.has(page.split("/")[1]) ? page : ""));
    return table;
  }

  async function start() {
    const element = document.querySelector(".explorer");
    if (!element) return;
    try {
      const numbers = JSON.parse(element.querySelector("script").textContent);
      const vega = bookCharts.ready(); // the book's charts load the same
      const tables = {};
      for (const [key, { title, packed, about }] of Object.entries(numbers)) {
        const table = withoutOthers(await read(packed));
        tables[key] = { title, about, table, index: places(table) };
      }
      await vega;
      const explorer = (element.explorer = new Explorer(element, tables));
      await explorer.choose(fromAddress(location.hash), false);
      performance.mark("explorer drawn");
      element.hidden = false;
      window.addEventListener("hashchange", () => explorer.choose(fromAddress(location.hash), false));
      const again = () => explorer.draw();
      new MutationObserver(again).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
      let width = innerWidth;
      window.addEventListener("resize", () => innerWidth !== width && ((width = innerWidth), again()));
    } catch (error) {
      element.querySelector(".explorer-notice").textContent = `The explorer cannot start: ${error.message}`;
      console.error(error);
    }
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
