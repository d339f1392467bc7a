/* The bar of a page with curves: which models all of its figures show, the step that is marked in them, and the
   notebooks of that step. It stands at the foot of the window while a chart is in view, and can be closed. */
(() => {
  "use strict";

  const book = (window.bookCharts ??= {});
  const CLOSED = "charts:closed";

  const element = (tag, className, properties = {}) => Object.assign(document.createElement(tag), { className, ...properties });
  const inWords = (step) => `step ${step.toLocaleString("en")}`;

  /* What the page's charts have: lines of models, steps, and pages of runs. */
  function gather(specs) {
    const curves = specs.map(book.curvesOf).filter(Boolean);
    const models = curves.flatMap((each) => each.lines).filter((line) => line.kind !== undefined);
    const lines = [...new Map(models.map((line) => [line.name, line])).values()];
    const own = curves.filter((each) => each.pages); // of a published figure's many steps few are ours
    const steps = book.distinct((own.length ? own : curves).flatMap((each) => each.steps)).sort((a, b) => a - b);
    return { lines, steps };
  }

  /* The pages of runs at a step, of the models that are to be seen: as the charts' own points lead there. */
  function notebooks(specs, step) {
    const found = new Map();
    for (const spec of specs) {
      const curves = book.curvesOf(spec);
      if (!curves?.pages) continue;
      for (const line of curves.lines.filter(book.isSeen))
        if (book.isMeasured(spec, line.name, step)) found.set(line.name, book.pageOf(spec, { m: line.name, s: step }));
    }
    return found;
  }

  function popover(className, summary) {
    const details = element("details", className);
    details.append(element("summary", "", { textContent: summary }), element("div", "chart-bar-panel"));
    details.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !details.open) return;
      details.open = false;
      details.firstChild.focus();
    });
    return details;
  }

  function modelsChoice(lines) {
    const details = popover("chart-bar-models", "Models: all");
    const { element: chips, update } = book.chips(lines, (event, ...which) => book.toggle(...which));
    const every = element("div", "chart-chips-group");
    for (const [name, values] of [["All", (all) => all], ["None", () => []]]) {
      const button = element("button", "chart-chip", { type: "button", textContent: name });
      button.addEventListener("click", () => {
        for (const { group, fields } of book.buttons(lines))
          for (const { field, values: all } of fields) if (name === "All" || field === "part") book.set(group, field, values(all), all);
      });
      every.append(button);
    }
    details.lastChild.append(chips, every);
    return {
      element: details,
      update() {
        update();
        const seen = lines.filter(book.isSeen).length;
        details.firstChild.textContent = `Models: ${seen === lines.length ? "all" : `${seen} of ${lines.length}`}`;
      },
    };
  }

  function stepChoice(steps) {
    const holder = element("div", "chart-bar-step");
    const slider = element("input", "", { type: "range", min: 0, max: steps.length - 1, step: 1 });
    slider.setAttribute("aria-label", "Training step that is marked in the figures");
    const output = element("output", "");
    const clear = element("button", "chart-bar-clear", { type: "button", textContent: "Clear" });
    clear.setAttribute("aria-label", "Mark no step");
    slider.addEventListener("input", () => book.mark(steps[slider.valueAsNumber]));
    clear.addEventListener("click", () => (book.mark(null), slider.focus()));
    holder.append(slider, output, clear);
    return {
      element: holder,
      update() {
        const { step } = book.state;
        const before = steps.findLastIndex((each) => each <= step);
        slider.value = step === null ? steps.length - 1 : Math.max(before, 0);
        output.textContent = step === null ? "mark a step" : inWords(step);
        slider.setAttribute("aria-valuetext", step === null ? "no step is marked" : inWords(step));
        clear.hidden = step === null;
      },
    };
  }

  function notebookLinks(specs) {
    const details = popover("chart-bar-notebooks", "Notebooks");
    return {
      element: details,
      update() {
        const { step } = book.state;
        const found = step === null ? new Map() : notebooks(specs, step);
        details.hidden = found.size === 0;
        details.firstChild.textContent = `Notebooks of ${step === null ? "" : inWords(step)}`;
        const links = [...found].map(([model, href]) => {
          const link = element("a", "", { href, textContent: model });
          link.setAttribute("aria-label", `Open the notebook of ${model} at ${inWords(step)}`);
          return link;
        });
        details.lastChild.replaceChildren(...links);
      },
    };
  }

  const remembered = () => {
    try {
      return sessionStorage.getItem(CLOSED);
    } catch {
      return null;
    }
  };

  /* A small button opens the bar where it is closed: on a phone at first, elsewhere after it was closed. */
  function closable(bar, content) {
    const open = element("button", "chart-bar-open", { type: "button", textContent: "Models and step" });
    const close = element("button", "chart-bar-close", { type: "button", textContent: "×" });
    close.setAttribute("aria-label", "Close the bar of models and step");
    const show = (is) => {
      content.hidden = !is;
      open.hidden = is;
    };
    const choose = (is, next) => {
      show(is);
      next.focus();
      try {
        sessionStorage.setItem(CLOSED, is ? "no" : "yes");
      } catch {
        // the next page begins as this one did
      }
    };
    open.addEventListener("click", () => choose(true, close));
    close.addEventListener("click", () => choose(false, open));
    content.append(close);
    bar.append(open, content);
    show((remembered() ?? (innerWidth < 700 ? "yes" : "no")) === "no");
  }

  function bar(specs) {
    const { lines, steps } = gather(specs);
    if (steps.length < 2) return null;
    const holder = element("section", "chart-bar", { hidden: true });
    holder.setAttribute("aria-label", "Models and step of all figures");
    const content = element("div", "chart-bar-content");
    const parts = [...(lines.length > 1 ? [modelsChoice(lines)] : []), stepChoice(steps), notebookLinks(specs)];
    content.append(...parts.map((part) => part.element));
    closable(holder, content);
    const update = () => parts.forEach((part) => part.update());
    book.listen(update);
    update();
    document.addEventListener("click", ({ target }) => {
      for (const each of holder.querySelectorAll("details[open]")) if (!each.contains(target)) each.open = false;
    });
    (document.querySelector("article") ?? document.body).append(holder);
    return holder;
  }

  Object.assign(book, { bar });
})();
