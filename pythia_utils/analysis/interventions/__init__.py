"""Interventions on training: what a changed end of the text does to what was changed, and to the rest."""
