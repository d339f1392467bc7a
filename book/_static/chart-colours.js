/* Colours of charts on a dark page: those that the chart's `usermeta.curves.dark` names for its own
   (pythia_utils/analysis/palettes.py has the rule), in all of its specification but the data. */
(() => {
  "use strict";

  function recoloured(spec, dark) {
    if (typeof spec === "string") return dark[spec] ?? spec;
    if (Array.isArray(spec)) return spec.map((each) => recoloured(each, dark));
    if (spec === null || typeof spec !== "object") return spec;
    const kept = ["data", "usermeta"];
    return Object.fromEntries(
      Object.entries(spec).map(([key, value]) => [key, kept.includes(key) ? value : recoloured(value, dark)]),
    );
  }

  Object.assign((window.bookCharts ??= {}), { recoloured });
})();
