/* A grid's table is one stop of the Tab key; within it the arrow keys lead from cell to cell, Home and End to a
   row's ends, Enter opens. Without this script each cell is a stop of its own. */
(() => {
  "use strict";

  const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

  function start(table) {
    const rows = [...table.tBodies[0].rows].map((row) => [...row.cells].slice(1).map((cell) => cell.querySelector("a")));
    const all = rows.flat().filter(Boolean);
    if (all.length === 0) return;
    all.forEach((link, index) => (link.tabIndex = index ? -1 : 0));

    const next = (link, [down, right]) => {
      let row = rows.findIndex((cells) => cells.includes(link));
      let column = rows[row].indexOf(link);
      do [row, column] = [row + down, column + right];
      while (rows[row] && column in rows[row] && !rows[row][column]);
      return rows[row]?.[column];
    };
    const end = (link, last) => {
      const links = rows.find((cells) => cells.includes(link)).filter(Boolean);
      return last ? links.at(-1) : links[0];
    };
    table.addEventListener("keydown", (event) => {
      const { target, key } = event;
      if (!all.includes(target) || event.ctrlKey || event.metaKey || event.altKey) return;
      const found = key in STEPS ? next(target, STEPS[key]) : key === "Home" || key === "End" ? end(target, key === "End") : null;
      if (!found) return;
      event.preventDefault();
      found.focus();
    });
    table.addEventListener("focusin", ({ target }) => {
      if (!all.includes(target)) return;
      all.forEach((link) => (link.tabIndex = link === target ? 0 : -1));
    });
  }

  const startAll = () => document.querySelectorAll(".grid-table table").forEach(start);
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", startAll);
  else startAll();
})();
