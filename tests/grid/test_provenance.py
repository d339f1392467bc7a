"""The watermark that ends a page."""

from __future__ import annotations

import pytest

from pythia_utils.grid import provenance


@pytest.fixture
def told(monkeypatch):
    """What `watermark` shows."""
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda markdown: shown.append(markdown.data))

    def watermark() -> str:
        provenance.watermark(device="cuda")
        return shown[-1]

    return watermark


def test_a_dtype_that_was_asked_for_is_told(told, monkeypatch):
    assert "dtype" not in told()
    monkeypatch.setenv("PYTHIA_DTYPE", "auto")
    assert "dtype" not in told()
    monkeypatch.setenv("PYTHIA_DTYPE", "bfloat16")
    assert told().endswith(" · device `cuda` · dtype `bfloat16`")
