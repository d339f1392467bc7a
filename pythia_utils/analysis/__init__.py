"""From records to findings: a folder for each experiment, beside what they share.

Imports every room that measures, and of `grid` the records; no experiment imports another's folder."""
