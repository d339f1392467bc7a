"""The page on which models run in the reader's browser: what can be asked there, and how the page begins.

Imports what `analysis` may; no other experiment's folder."""
