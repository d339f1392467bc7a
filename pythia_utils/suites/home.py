"""The folder of everything that this program makes and keeps."""

from __future__ import annotations

import os
from pathlib import Path

from pythia_utils.base.files import local_path


def home() -> Path:
    """The folder of everything we train: `PYTHIA_HOME`, or `pythia-book/` in the platform's cache folder.

    Absolute: kernels work in another folder.
    """
    if folder := os.environ.get("PYTHIA_HOME"):
        return local_path(folder)
    import platformdirs

    return Path(platformdirs.user_cache_dir("pythia-book", appauthor=False))
