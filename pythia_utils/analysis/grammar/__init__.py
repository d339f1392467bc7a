"""Grammar learning: when models come to prefer the grammatical sentence, and what else explains it.

Imports what `analysis` may; no other experiment's folder."""
