"""What another seed would change: variance components of headline numbers, and claims asked of every seed.

Imports what `analysis` may; no other experiment's folder."""
