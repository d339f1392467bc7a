"""GPT-NeoX's checkpoints: how they name, number and cut up a model's tensors, and how they say its shape.

Imports `base`; knows no suites, no models of ours and no Hub."""
