/* What the reader has chosen, and which rows of the numbers that is.

   A choice is a plain object, and the address holds it after the `#`: whoever opens the link sees the same. */
(() => {
  "use strict";

  const LISTS = ["subsets", "without"];
  const SEPARATOR = "~"; // between the items of a list in the address
  const PANELS = 6; // that a first look shows

  /* Where each source, metric and subset begins and ends: the rows are sorted by these. */
  function places(table) {
    const { source, metric, subset } = table.columns;
    const found = new Map();
    const below = (map, key) => map.get(key) ?? map.set(key, new Map()).get(key);
    for (let row = 0; row < table.rows; row++) {
      const subsets = below(below(found, table.names.source[source[row]]), table.names.metric[metric[row]]);
      const name = table.names.subset[subset[row]];
      const place = subsets.get(name) ?? subsets.set(name, [row, row]).get(name);
      place[1] = row + 1;
    }
    return found;
  }

  const first = (map) => map.keys().next().value;
  const START = { source: "grammar", metric: "accuracy" }; // of who has chosen nothing, where there is such a thing
  const known = (map, name) => (map.has(name) ? name : first(map));

  /* A whole choice from a part of one: what is missing, or is not there, becomes the usual. */
  function complete(part, tables) {
    const shown = part.shown in tables ? part.shown : Object.keys(tables)[0];
    const index = tables[shown].index;
    const source = known(index, part.source || START.source);
    const metric = known(index.get(source), part.metric || START.metric);
    const there = index.get(source).get(metric);
    const subsets = (part.subsets ?? []).filter((name) => there.has(name));
    const otherSource = known(index, part.otherSource ?? source);
    const otherMetric = known(index.get(otherSource), part.otherMetric);
    return {
      shown, source, metric,
      subsets: subsets.length ? subsets : usualSubsets(there),
      view: ["curves", "pair", "size"].includes(part.view) ? part.view : "curves",
      seeds: ["each", "usual", "mean"].includes(part.seeds) ? part.seeds : "each",
      scale: part.scale === "own" ? "own" : "same",
      without: part.without ?? [],
      otherSource, otherMetric,
      step: Number.isInteger(Number(part.step ?? NaN)) ? Number(part.step) : null,
    };
  }

  function usualSubsets(there) {
    return there.has("all") ? ["all"] : [...there.keys()].slice(0, PANELS);
  }

  /* What of a wished choice there is not, in words; empty if all of it is there. */
  function missing(wished, choice) {
    const asked = ["shown", "source", "metric"].find((key) => wished[key] && wished[key] !== choice[key]);
    if (asked) return `The address asks for ${asked} “${wished[asked]}”, which is not among these numbers.`;
    const lost = (wished.subsets ?? []).filter((name) => !choice.subsets.includes(name));
    return lost.length ? `The address asks for “${lost[0]}”, which is not among these numbers.` : "";
  }

  function toAddress(choice) {
    const parts = new URLSearchParams();
    for (const [key, value] of Object.entries(choice)) {
      const text = LISTS.includes(key) ? value.join(SEPARATOR) : value;
      if (text !== null && text !== "") parts.set(key, text);
    }
    return `#${parts}`;
  }

  function fromAddress(hash) {
    const choice = Object.fromEntries(new URLSearchParams(hash.slice(1)));
    for (const key of LISTS) if (key in choice) choice[key] = choice[key].split(SEPARATOR);
    return choice;
  }

  // --- rows ------------------------------------------------------------------------------------------------------

  const HALF = 1.959964; // standard errors to each side of a 95% interval

  function* rowsOf(table, [from, to], panel, allowed) {
    const { series, step, value, stderr, low, high, n, page } = table.columns;
    for (let row = from; row < to; row++) {
      const name = table.names.series[series[row]];
      if (!allowed.has(name) || Number.isNaN(value[row])) continue;
      const published = !Number.isNaN(low[row]);
      const half = HALF * stderr[row];
      yield {
        panel, series: name, step: step[row], value: value[row], n: n[row] < 0 ? null : n[row],
        low: published ? low[row] : Number.isNaN(half) ? null : value[row] - half,
        high: published ? high[row] : Number.isNaN(half) ? null : value[row] + half,
        over: published ? "published range" : "95% interval",
        page: table.names.page[page[row]],
      };
    }
  }

  /* The series that are drawn: those not switched off; of the usual seed only, if that is chosen and there. */
  function allowedSeries(names, about, choice) {
    const there = names.filter((name) => !choice.without.includes(about[name].kind));
    const usual = there.filter((name) => about[name].usual);
    return new Set(choice.seeds === "usual" && usual.length ? usual : there);
  }

  /* Mean and range over the seeds of a size and variant, at the steps that all of its seeds have. */
  function overSeeds(rows, about) {
    const groups = Map.groupBy(rows, (row) => `${row.panel}\n${about[row.series].kind}`);
    return [...groups.values()].flatMap((group) => {
      const seeds = new Set(group.map((row) => row.series)).size;
      const steps = [...Map.groupBy(group, (row) => row.step).values()];
      return steps.filter((alike) => alike.length === seeds).map((alike) => meanOf(alike, about));
    });
  }

  function meanOf(alike, about) {
    if (alike.length === 1) return alike[0];
    const values = alike.map((row) => row.value);
    return {
      panel: alike[0].panel, series: about[alike[0].series].kind, step: alike[0].step, page: "", n: alike.length,
      value: values.reduce((sum, value) => sum + value, 0) / values.length,
      low: Math.min(...values), high: Math.max(...values), over: `range over ${alike.length} seeds`,
    };
  }

  /* The rows of a choice, as they are drawn and saved. */
  function rows(choice, tables) {
    const { table, index, about } = tables[choice.shown];
    const subsets = index.get(choice.source).get(choice.metric);
    const allowed = allowedSeries(table.names.series, about, choice);
    const found = choice.subsets.flatMap((panel) => [...rowsOf(table, subsets.get(panel), panel, allowed)]);
    return choice.seeds === "mean" ? overSeeds(found, about) : found;
  }

  /* For two metrics against each other: each row with the other metric of the same series and step. */
  function pairs(choice, tables) {
    const others = tables[choice.shown].index.get(choice.otherSource).get(choice.otherMetric);
    const there = choice.subsets.filter((panel) => others.has(panel));
    const place = (panel) => (others.has(panel) ? panel : known(others, "all"));
    const key = (row, panel) => `${panel}\n${row.series}\n${row.step}`;
    const wanted = [...new Set(choice.subsets.map(place))];
    const second = { ...choice, source: choice.otherSource, metric: choice.otherMetric, subsets: wanted };
    const values = new Map(rows(second, tables).map((row) => [key(row, row.panel), row.value]));
    const drawn = rows(choice, tables)
      .map((row) => ({ ...row, other: values.get(key(row, place(row.panel))) }))
      .filter((row) => row.other !== undefined);
    return { drawn, elsewhere: there.length < choice.subsets.length ? wanted.find((name) => !there.includes(name)) : "" };
  }

  Object.assign(PythiaExplorer, { places, complete, missing, toAddress, fromAddress, rows, pairs, allowedSeries });
})();
