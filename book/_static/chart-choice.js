/* What a reader has chosen on this page: a training step to mark, and which lines are to be seen.

   All charts of a page share it, so that one choice works in each of its figures. Lines of models are chosen by
   their size and their kind (standard, deduplicated, another seed), other lines by their name. A reload keeps it. */
(() => {
  "use strict";

  const KEY = `charts:${location.pathname}`;
  const listeners = [];
  const state = read();

  function read() {
    try {
      return { step: null, only: {}, ...JSON.parse(sessionStorage.getItem(KEY) ?? "{}") };
    } catch {
      return { step: null, only: {} }; // a browser that keeps nothing
    }
  }

  function changed() {
    try {
      sessionStorage.setItem(KEY, JSON.stringify(state));
    } catch {
      // it is forgotten, then
    }
    listeners.forEach((listener) => listener());
  }

  /* The key of a choice: the sizes, or the kinds, of one suite. */
  const keyOf = (group, field) => `${group}/${field}`;
  const isChosen = (group, field, value) => state.only[keyOf(group, field)]?.includes(value) ?? true;
  const isSeen = (line) =>
    isChosen(line.group, "part", line.part) && (line.kind === undefined || isChosen(line.group, "kind", line.kind));

  function set(group, field, values, all) {
    const key = keyOf(group, field);
    if (values.length === all.length) delete state.only[key];
    else state.only[key] = values;
    changed();
  }

  const distinct = (values) => [...new Set(values)];

  /* The buttons that a figure or the bar shows for its lines: one for each size or name, then for each kind. */
  function buttons(lines) {
    return distinct(lines.map((line) => line.group)).map((group) => {
      const own = lines.filter((line) => line.group === group);
      const fields = ["part", "kind"].map((field) => ({
        field,
        values: distinct(own.map((line) => line[field])).filter((value) => value !== undefined),
      }));
      return { group, own, fields: fields.filter(({ field, values }) => field === "part" || values.length > 1) };
    });
  }

  Object.assign((window.bookCharts ??= {}), {
    state,
    isSeen,
    isChosen,
    buttons,
    distinct,
    listen: (listener) => listeners.push(listener),
    mark(step) {
      if (state.step === step) return;
      state.step = step;
      changed();
    },
    /* Show or hide the lines of one size, name or kind. */
    toggle(group, field, value, all) {
      const now = all.filter((each) => isChosen(group, field, each) !== (each === value));
      set(group, field, now, all);
    },
    /* Show it alone; all again if it was alone. */
    showOnly(group, field, value, all) {
      const now = all.filter((each) => isChosen(group, field, each));
      set(group, field, now.length === 1 && now[0] === value ? all : [value], all);
    },
    set,
  });
})();
