"""Files, sources, HTTP, units, progress: tools that know nothing of models.

Imports the standard library and numpy; nothing of ours."""
