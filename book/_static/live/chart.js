/* Curves over training, drawn as the answers come. A click chooses a step; with the keyboard the slider does. The same
   numbers stand in a table below, for whoever cannot see a curve. */
live.part((live) => {
  "use strict";

  const HEIGHT = 210;
  const MARGIN = { top: 22, right: 14, bottom: 34, left: 44 };

  const NICE = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500];

  function ticks(low, high) {
    const size = NICE.find((nice) => (high - low) / nice <= 5) ?? 1000;
    const first = Math.ceil(low / size - 1e-9);
    return Array.from({ length: Math.floor(high / size + 1e-9) - first + 1 }, (_, i) => (first + i) * size);
  }

  live.Chart = class {
    /* `unit` names the numbers; `onpick` is told the step of a click. */
    constructor({ title, unit, onpick }) {
      Object.assign(this, { title, unit, onpick, series: [], steps: [], current: 0 });
      this.picture = live.svg("svg", { class: "live-chart", role: "img", height: HEIGHT });
      this.picture.addEventListener("click", (event) => this.pick(event));
      this.table = live.el("table", { class: "live-numbers" });
      this.element = live.el(
        "figure",
        { class: "live-figure" },
        (this.caption = live.el("figcaption", {}, title)),
        this.picture,
        live.el("details", { class: "live-more" }, live.el("summary", {}, "The same as a table"), live.el("div", { class: "live-scroll" }, this.table)),
      );
      new ResizeObserver(() => this.draw()).observe(this.element);
    }

    /* `series`: [{name, values}], a value a step, or undefined where it is not computed yet. */
    show(steps, series, current) {
      Object.assign(this, { steps, series, current });
      this.draw();
      this.tabulate();
    }

    /* Another heading, and what is to be known of the numbers. */
    call(title, unit, hint) {
      Object.assign(this, { title, unit });
      this.caption.replaceChildren(title, live.el("small", {}, hint));
    }

    known() {
      return this.series.flatMap(({ values }) => values.filter((value) => value !== undefined));
    }

    x(step) {
      const at = (s) => Math.log2(1 + s);
      const [first, last] = [at(this.steps[0]), at(this.steps.at(-1))];
      const share = last > first ? (at(step) - first) / (last - first) : 0.5;
      return MARGIN.left + share * (this.width - MARGIN.left - MARGIN.right);
    }

    y(value) {
      const share = (value - this.low) / (this.high - this.low);
      return HEIGHT - MARGIN.bottom - share * (HEIGHT - MARGIN.top - MARGIN.bottom);
    }

    draw() {
      this.width = this.element.clientWidth || 600;
      if (!this.steps.length) return;
      const known = this.known();
      this.low = Math.min(0, ...known) * 1.1;
      this.high = Math.max(0, ...known) * 1.1 || 1;
      this.picture.setAttribute("viewBox", `0 0 ${this.width} ${HEIGHT}`);
      this.picture.setAttribute("width", this.width);
      this.picture.setAttribute("aria-label", this.inWords());
      this.picture.replaceChildren(...this.frame(), ...this.series.flatMap((one, i) => this.curve(one, i)));
    }

    frame() {
      const { svg } = live;
      const right = this.width - MARGIN.right;
      const lines = ticks(this.low, this.high).flatMap((tick) => [
        svg("line", { class: Math.abs(tick) < 1e-9 ? "live-zero" : "live-grid", x1: MARGIN.left, x2: right, y1: this.y(tick), y2: this.y(tick) }),
        svg("text", { x: MARGIN.left - 6, y: this.y(tick) + 4, "text-anchor": "end" }, `${+tick.toFixed(1)}`.replace("-", "−")),
      ]);
      const here = this.x(this.current);
      const now = svg("line", { class: "live-now", x1: here, x2: here, y1: MARGIN.top, y2: HEIGHT - MARGIN.bottom });
      return [...lines, now, ...this.stepNames()];
    }

    /* The names of the steps that have room, the first and the last always. */
    stepNames() {
      const y = HEIGHT - MARGIN.bottom + 16;
      const last = this.steps.at(-1);
      const room = (one, other) => Math.abs(this.x(one) - this.x(other)) > (other === last ? 54 : 34);
      const named = [];
      for (const step of this.steps) if (step === last || (room(step, last) && (!named.length || room(step, named.at(-1))))) named.push(step);
      const end = this.width - MARGIN.right;
      const names = named.map((step) => {
        const isAtTheEdge = end - this.x(step) < 16;
        return live.svg("text", { x: isAtTheEdge ? end : this.x(step), y, "text-anchor": isAtTheEdge ? "end" : "middle" }, live.count(step));
      });
      const axis = live.svg("text", { class: "live-axis", x: end, y: y + 15, "text-anchor": "end" }, "training step");
      const unit = live.svg("text", { class: "live-axis", x: 2, y: 11 }, this.unit);
      return [...names, axis, unit];
    }

    curve({ name, values }, index) {
      const points = this.steps.map((step, i) => [step, values[i]]).filter(([, value]) => value !== undefined);
      const path = points.map(([step, value], i) => `${i ? "L" : "M"}${this.x(step).toFixed(1)},${this.y(value).toFixed(1)}`).join("");
      const dots = points.map(([step, value]) => {
        const isHere = step === this.current;
        return live.svg(
          "circle",
          { cx: this.x(step), cy: this.y(value), r: isHere ? 6 : 3.2, class: isHere ? "live-here" : "" },
          live.svg("title", {}, `${name ? `${name}, ` : ""}step ${live.count(step)}: ${live.signed(value)}`),
        );
      });
      return [live.svg("g", { class: `live-series live-series-${index}` }, live.svg("path", { d: path }), ...dots)];
    }

    inWords() {
      const told = this.series.map(({ name, values }) => {
        const known = this.steps.map((step, i) => [step, values[i]]).filter(([, value]) => value !== undefined);
        return `${name || this.title}: ${known.map(([step, value]) => `step ${step} ${value.toFixed(2)}`).join(", ")}`;
      });
      return `${this.title}, in ${this.unit}. ${told.join(". ")}`;
    }

    tabulate() {
      const names = live.el("tr", {}, live.el("th", { scope: "col" }, "step"), this.series.map(({ name }) => live.el("th", { scope: "col" }, name || this.unit)));
      const rows = this.steps.map((step, i) =>
        live.el(
          "tr",
          { class: step === this.current ? "live-row-here" : undefined },
          live.el("th", { scope: "row" }, live.count(step)),
          this.series.map(({ values }) => live.el("td", {}, values[i] === undefined ? "…" : live.signed(values[i]))),
        ),
      );
      this.table.replaceChildren(live.el("thead", {}, names), live.el("tbody", {}, rows));
    }

    pick(event) {
      const at = event.clientX - this.picture.getBoundingClientRect().left;
      const distance = (step) => Math.abs(this.x(step) - at);
      if (this.steps.length) this.onpick(this.steps.reduce((best, step) => (distance(step) < distance(best) ? step : best)));
    }
  };
});
