"""What the model saw: batches as text, the mix of domains, repeats.

Imports what `analysis` may; no other experiment's folder."""
