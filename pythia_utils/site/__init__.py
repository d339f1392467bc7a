"""From executed notebooks to the website.

Imports `base`, `grid` and `suites`; runs nothing."""
