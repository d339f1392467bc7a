"""The command `pythia`: parse, call the package, print.

May import every room; nothing imports it."""
