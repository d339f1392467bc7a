"""What a model reads, in order: files, GPT-NeoX's order, preshuffled sets, corpora, lookups.

Imports `base` and `suites`; never the maker of a corpus (`nano`), and no torch."""
