/* The explorer's charts, as Vega-Lite: curves over training, two metrics against each other, sizes at one step. */
(() => {
  "use strict";

  const AXIS = 62; // pixels that a panel's axis takes beside its plot
  const NARROW = 560;
  const time = (step) => Math.log2(1 + step);
  const STEP = "format(round(pow(2, datum.value) - 1), ',')";
  /* Steps that have a name below the axis: as many as have room, the first and the last among them. */
  function named(steps, width) {
    const places = steps.map(time);
    const gap = ((places.at(-1) - places[0]) * 46) / width;
    const chosen = [];
    for (const place of places) if (!chosen.length || place - chosen.at(-1) >= gap) chosen.push(place);
    if (chosen.length > 1) chosen[chosen.length - 1] = places.at(-1);
    return chosen;
  }

  /* Colour by size, dashes by variant; another seed than the usual is thin. */
  function look(data, about) {
    const series = [...new Set(data.map((row) => row.series))];
    const of = (name) => aboutOf(about, name);
    const ground = bookCharts.theme();
    const scale = (values) => ({ scale: { domain: series, range: series.map(values) }, legend: null });
    return {
      color: { field: "series", type: "nominal", ...scale((name) => of(name)[ground]) },
      strokeDash: { field: "series", type: "nominal", ...scale((name) => of(name).dash) },
      strokeWidth: { field: "series", type: "nominal", ...scale((name) => (of(name).usual || !about[name] ? 2.2 : 1.1)) },
    };
  }

  const TOOLTIP = [
    { field: "series", title: "model" },
    { field: "step", title: "step", format: "," },
    { field: "value", title: "value", format: ".4~g" },
    { field: "low", title: "from", format: ".4~g" },
    { field: "high", title: "to", format: ".4~g" },
    { field: "over", title: "the two are" },
    { field: "n", title: "n", format: "," },
  ];
  const quantitative = (field, title, more = {}) => ({ field, type: "quantitative", title, scale: { zero: false }, ...more });

  const points = (size, more = {}) => ({
    mark: { type: "point", filled: true, opacity: 1, size, cursor: "pointer" },
    ...more,
  });

  /* The panels' plot; each form has its own layers. */
  const FORMS = {
    curves: (data, about, choice, width) => {
      const steps = [...new Set(data.map((row) => row.step))].sort((a, b) => a - b);
      const x = quantitative("x", "training step (log scale)", { axis: { values: named(steps, width), labelExpr: STEP, grid: false } });
      const y = quantitative("value", null);
      const { color, strokeDash, strokeWidth } = look(data, about);
      return [
        { mark: { type: "area", opacity: 0.14 }, encoding: { x, y: { ...y, field: "bandLow" }, y2: { field: "bandHigh" }, color } },
        { mark: { type: "line" }, encoding: { x, y, color, strokeDash, strokeWidth } },
        { mark: { type: "rule", strokeDash: [3, 3], opacity: 0.8 }, data: { values: [{}] }, encoding: { x: { datum: { expr: "at" }, type: "quantitative" } } },
        points(22, { encoding: { x, y, color, tooltip: TOOLTIP, href: { field: "page" } } }),
      ];
    },
    pair: (data, about, choice) => {
      const x = quantitative("other", choice.otherMetric);
      const y = quantitative("value", null);
      const { color, strokeDash, strokeWidth } = look(data, about);
      const tooltip = [...TOOLTIP, { field: "other", title: choice.otherMetric, format: ".4~g" }];
      return [
        { mark: { type: "line" }, encoding: { x, y, color, strokeDash, strokeWidth, order: { field: "step" } } },
        points(16, { encoding: { x, y, color, tooltip, href: { field: "page" } } }),
        { transform: [{ filter: "datum.x === at" }], mark: { type: "point", filled: true, opacity: 1, size: 130, cursor: "pointer" }, encoding: { x, y, color, tooltip, href: { field: "page" } } },
      ];
    },
    size: (data, about) => {
      const x = quantitative("size", "parameters without embeddings (log scale)", { scale: { type: "log", zero: false }, axis: { format: ".2~s", tickCount: 4 } });
      const y = quantitative("value", null);
      const { color } = look(data, about);
      const filter = [{ filter: "datum.x === at" }];
      return [
        { transform: filter, mark: { type: "rule", strokeWidth: 1.4 }, encoding: { x, y: { ...y, field: "low" }, y2: { field: "high" }, color } },
        points(70, { transform: filter, encoding: { x, y, color, tooltip: TOOLTIP, href: { field: "page" } } }),
      ];
    },
  };

  const columnsFor = (width, panels) => Math.min(panels, width < NARROW ? 1 : width < 900 ? 2 : 3);

  function specification(data, choice, about, width, form) {
    const panels = [...new Set(data.map((row) => row.panel))];
    const columns = columnsFor(width, panels.length);
    const inner = Math.floor(width / columns) - AXIS;
    return {
      $schema: "https://vega.github.io/schema/vega-lite/v6.json",
      params: [{ name: "at", value: time(choice.step ?? 0) }],
      data: { values: data },
      facet: { field: "panel", type: "nominal", title: null, sort: panels, header: { labelLimit: inner } },
      columns,
      spacing: 18,
      spec: { width: inner, height: panels.length === 1 ? Math.min(380, inner) : Math.min(190, 0.75 * inner), layer: FORMS[form](data, about, choice, inner) },
      resolve: { scale: choice.scale === "own" ? { y: "independent" } : {} },
    };
  }

  /* What is known of a series: of a model's own, or of the kind that a mean is over. */
  const aboutOf = (about, name) => about[name] ?? Object.values(about).find((each) => each.kind === name);

  /* Only the usual seed, or a mean, has a band: those of many runs would hide each other. */
  function sizeAndBand(about, row) {
    const { n_params, usual } = aboutOf(about, row.series);
    const banded = usual || !about[row.series];
    return { size: n_params, bandLow: banded ? row.low : null, bandHigh: banded ? row.high : null };
  }

  /* Draws a choice into an element; later steps only move its mark. */
  class Chart {
    constructor(element) {
      this.element = element;
    }

    async draw(data, choice, about, root) {
      const form = choice.view;
      const rows = data.map((row) => ({ ...row, x: time(row.step), ...sizeAndBand(about, row), page: row.page && root + row.page }));
      const spec = specification(rows, choice, about, this.element.clientWidth, form);
      const result = await vegaEmbed(this.element, spec, {
        actions: false, // the page has buttons of its own
        config: bookCharts.config(this.element.clientWidth), loader: { target: "_self" }, logLevel: vega.Error, renderer: "svg",
      });
      const svg = this.element.querySelector("svg");
      svg.setAttribute("role", "img");
      svg.setAttribute("aria-label", this.told);
      for (const part of svg.querySelectorAll("[role^='graphics']")) part.removeAttribute("role");
      this.result?.finalize();
      this.result = result;
    }

    /* The chart as a file. */
    async asSVG() {
      return new Blob([await this.result.view.toSVG()], { type: "image/svg+xml" });
    }

    async mark(step) {
      await this.result?.view.signal("at", time(step)).runAsync();
    }
  }

  PythiaExplorer.Chart = Chart;
})();
