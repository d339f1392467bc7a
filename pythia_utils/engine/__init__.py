"""Run cells: the runner, a worker, schedulers.

Imports `base`, `grid` and `suites`; never what a cell measures or how a page looks."""
