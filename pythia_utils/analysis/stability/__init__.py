"""What another seed would change: variance components of headline numbers, and claims over seeds.

May import base, suites, training_data, nano, evaluation, `grid.records` and what analysis shares."""
