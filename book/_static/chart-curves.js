/* Charts of curves over training: they fit the page, follow the reader's choice, and lead to notebooks.

   What is known of them beside Vega-Lite is in `usermeta.curves` (pythia_utils/analysis/curve_charts.py). */
(() => {
  "use strict";

  const book = (window.bookCharts ??= {});
  const AXIS = 46; // pixels for the numbers at the left
  const GAP = 18;
  const NARROWEST = 132; // of a panel
  const HEIGHTS = { single: 320, low: 270, panel: 130 };
  const ABOVE = { chart: 18, panel: 33 }; // titles of a chart, of a panel
  const BELOW = { single: 46, panel: 14 }; // steps
  const LETTER = 6.9; // pixels of a title's letter
  const LINE = 14;
  const NEAR = 16; // pixels from a point: a click opens its notebook

  const curvesOf = (spec) => spec.usermeta?.curves;

  /* How many panels stand in a row, how large they are, and what height all of it takes. */
  function layout(spec, width) {
    const { panels, columns } = curvesOf(spec);
    if (!spec.facet) {
      const height = width < 560 ? HEIGHTS.low : HEIGHTS.single;
      return { columns: 1, width: width - AXIS - namesWidth(spec) - 8, height, total: height + ABOVE.chart + BELOW.single };
    }
    const fit = Math.max(1, Math.min(columns, panels.length, Math.floor((width - AXIS + GAP) / (NARROWEST + GAP))));
    const rows = Math.ceil(panels.length / fit);
    const own = (width - AXIS - (fit - 1) * GAP - 8) / fit;
    const titles = panels.map((name) => inLines(name, own));
    const title = ABOVE.panel + LINE * (Math.max(...titles.map((lines) => lines.length)) - 1);
    const total = ABOVE.chart + rows * (HEIGHTS.panel + title) + BELOW.panel;
    return { columns: fit, width: own, height: HEIGHTS.panel, total, titles };
  }

  /* A panel's title in lines that its width holds, two at the most. */
  function inLines(name, width) {
    const room = Math.floor(width / LETTER);
    if (name.length <= room) return [name];
    const end = Math.max(name.lastIndexOf(" ", room), 0) || room;
    const rest = name.slice(end).trim();
    return [name.slice(0, end), rest.length > room ? `${rest.slice(0, room - 1)}…` : rest];
  }

  function namesWidth(spec) {
    const names = spec.layer?.at(-1).data?.values ?? [];
    return names.length ? 10 + LETTER * Math.max(...names.map(({ w }) => w.length)) : 0;
  }

  const withoutLegends = (value) => {
    if (Array.isArray(value)) return value.map(withoutLegends);
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, each]) => [key, key === "legend" ? null : key === "data" ? each : withoutLegends(each)]),
    );
  };

  function seen(spec) {
    const lines = curvesOf(spec).lines;
    const names = lines.filter(book.isSeen).map((line) => line.name);
    return names.length === lines.length ? null : names;
  }

  const withChoice = (spec) => ({
    ...spec,
    params: spec.params.map((param) =>
      param.name === "shown" ? { ...param, value: seen(spec) } : param.name === "marked" ? { ...param, value: book.state.step } : param,
    ),
  });

  /* The specification for a page's width: its legend is buttons of the page. */
  function fitted(spec, width) {
    const { columns, titles, ...size } = layout(spec, width);
    const own = withoutLegends(withChoice(spec));
    if (!spec.facet) return { ...own, width: size.width, height: size.height };
    const names = curvesOf(spec).panels;
    const labelExpr = `${JSON.stringify(titles)}[indexof(${JSON.stringify(names)}, datum.value)]`;
    const header = { ...own.facet.header, labelExpr, labelLineHeight: LINE };
    return {
      ...own,
      columns,
      facet: { ...own.facet, header },
      spec: { ...own.spec, width: size.width, height: size.height },
    };
  }

  /* The width to the pixel: how much room numbers at an axis take is known only when they are drawn. */
  async function refit({ spec, target, element, result: { view } }) {
    const over = target.querySelector("svg").clientWidth - element.clientWidth;
    if (over <= 0 && over > -4) return;
    const name = spec.facet ? "child_width" : "width";
    const { columns } = layout(spec, element.clientWidth);
    await view.signal(name, view.signal(name) - (over + 1) / columns).runAsync();
  }

  function follow(holder) {
    const view = holder.result?.view;
    if (!view) return;
    view.signal("shown", seen(holder.spec)).signal("marked", book.state.step).runAsync();
  }

  /* --- from a point to its notebook --- */

  function pageOf(spec, point) {
    const pages = curvesOf(spec).pages;
    if (!pages || !point || point.m === undefined) return null;
    return `${pages[0]}/${encodeURIComponent(point.m)}/step${String(point.s).padStart(6, "0")}${pages[1]}`;
  }

  /* Whether a chart has a measurement of this line at this step. */
  const measured = new WeakMap();
  function isMeasured(spec, name, step) {
    if (!measured.has(spec)) measured.set(spec, new Set(spec.data.values.match(/^[^,]*,[^,]*/gm)));
    return measured.get(spec).has(`${name},${step}`);
  }

  /* The measurement of a mark's item; for the region around a point, which Vega-Lite lays for pointing, that point's. */
  function pointOf(item) {
    const datum = item?.datum?.datum ?? item?.datum;
    return datum?.m === undefined ? null : datum;
  }

  function isNear(view, event, item) {
    const point = item.datum?.datum ? item.datum : item;
    let [x, y] = [point.x, point.y];
    for (let group = item.mark?.group; group; group = group.mark?.group) [x, y] = [x + (group.x ?? 0), y + (group.y ?? 0)];
    const box = view.container().querySelector("svg").getBoundingClientRect();
    const [left, top] = view.origin();
    return Math.hypot(event.clientX - box.left - left - x, event.clientY - box.top - top - y) <= NEAR;
  }

  function leadToNotebooks(holder) {
    const { view } = holder.result;
    const target = (event, item) => {
      const page = pageOf(holder.spec, pointOf(item));
      return page && isNear(view, event, item) ? page : null;
    };
    const open = (event, item) => {
      const point = pointOf(item);
      if (event.pointerType === "touch") return point && book.mark(point.s); // a tap tells, the bar leads on
      const page = target(event, item);
      if (!page) return;
      if (event.button === 1 || event.ctrlKey || event.metaKey) window.open(page, "_blank", "noopener");
      else location.assign(page);
    };
    view.addEventListener("click", open);
    view.addEventListener("auxclick", (event, item) => event.button === 1 && open(event, item));
    view.addEventListener("pointermove", (event, item) => {
      view.container().style.cursor = item && target(event, item) ? "pointer" : "";
    });
  }

  /* --- the legend --- */

  function chip(line, field, value) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 22 10");
    svg.setAttribute("aria-hidden", "true");
    const stroke = document.createElementNS(svg.namespaceURI, "line");
    for (const [name, at] of Object.entries({ x1: 0, x2: 22, y1: 5, y2: 5 })) stroke.setAttribute(name, at);
    if (field === "kind" || line.kind === undefined) stroke.setAttribute("stroke-dasharray", line.dash.join(" "));
    if (field === "part") Object.assign(stroke.dataset, { colour: line.colour, dark: line.dark });
    svg.append(stroke);
    const button = document.createElement("button");
    button.type = "button";
    button.className = "chart-chip";
    button.append(svg, value);
    return button;
  }

  /* Buttons for lines: `act` is what a click does. They say whether what they name is to be seen. */
  function chips(lines, act) {
    const holder = document.createElement("div");
    holder.className = "chart-chips";
    const all = [];
    for (const { group, own, fields } of book.buttons(lines)) {
      const named = own[0].kind !== undefined;
      for (const { field, values } of fields) {
        const list = document.createElement("div");
        list.className = "chart-chips-group";
        list.setAttribute("role", "group");
        list.setAttribute("aria-label", field === "kind" ? `Kinds of ${group}` : named ? `Sizes of ${group}` : `Lines by ${group}`);
        if (field === "part" && named) list.append(Object.assign(document.createElement("span"), { textContent: group }));
        for (const value of values) {
          const button = chip(own.find((line) => line[field] === value), field, value);
          button.addEventListener("click", (event) => act(event, group, field, value, values));
          all.push(() => button.setAttribute("aria-pressed", book.isChosen(group, field, value)));
          list.append(button);
        }
        holder.append(list);
      }
    }
    const update = () => all.forEach((each) => each());
    update();
    return { element: holder, update };
  }

  function legend(spec) {
    const found = chips(curvesOf(spec).lines, (event, ...which) =>
      event.shiftKey || event.ctrlKey || event.metaKey ? book.toggle(...which) : book.showOnly(...which),
    );
    found.element.title = "Click: only these lines. Shift and click: add or remove.";
    return found;
  }

  Object.assign(book, { curvesOf, layout, fitted, refit, follow, leadToNotebooks, chips, legend, pageOf, isMeasured, withChoice });
})();
