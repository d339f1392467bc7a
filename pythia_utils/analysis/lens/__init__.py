"""Where the answer forms: what each depth of a network says already, and which parts carry an error.

Imports what `analysis` may; no other experiment's folder."""
