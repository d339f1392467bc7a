"""From records to findings: a folder for each experiment, beside what they share.

Imports every room that measures, and of `grid` the records and failures; no experiment imports
another's folder."""
