"""What a model says of text: likelihoods, minimal pairs, memorization, and the sets to ask with.

Imports `base`, `suites` and `nano` (for its own sets); no figures, no grid."""
