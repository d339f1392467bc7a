"""Loss on text that training never held: by domain, over training, and its laws in size and in tokens.

Imports what `analysis` may; no other experiment's folder."""
