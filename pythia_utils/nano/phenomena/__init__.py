"""The contrasts of English grammar that nano knows, by family: how each draws the two frames of a twin."""
