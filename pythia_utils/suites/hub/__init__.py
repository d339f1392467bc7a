"""Revisions on the Hugging Face Hub: what they hold, and fetching them, verified.

Imports `base`; knows repositories and commits, no models and no steps."""
