"""What the page of a cell shows beside its notebook: nearby runs, parameters, records.

Imports `base`, `grid` and `suites`; knows nothing of staging."""
