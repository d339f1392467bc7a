"""What is to be run and what came of it: configuration, cells, plan, ledger, records.

Imports `base` and `suites`. Every kernel imports it, so it is cheap: no papermill, dask or torch."""
