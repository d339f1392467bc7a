"""A page of the site: the executed notebook of one cell of the grid."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pythia_utils.grid.failures import SUFFIX
from pythia_utils.suites import catalog
from pythia_utils.suites.models import Model


@dataclass(frozen=True)
class Page:
    """The executed notebook of one cell of the grid, or the one that was kept when it failed.

    Attributes:
        experiment: the experiment's name.
        model: the model's name.
        step: the checkpoint's step.
        source: `runs/<suite>/<experiment>/<model>/stepNNNNNN.ipynb`, or `stepNNNNNN@PARAMETERS.ipynb`.
        parameters: those that set it apart, as its name has them; empty for a usual cell.
        error: why it failed, in one line; empty if it ran well.
    """

    experiment: str
    model: str
    step: int
    source: Path
    parameters: str = ""
    error: str = ""

    @property
    def stem(self) -> str:
        """The name of its files without their endings, whether it failed or not."""
        return self.source.name.removesuffix(SUFFIX).removesuffix(".ipynb")

    @property
    def name(self) -> str:
        """Of its file among the staged ones."""
        return f"{self.stem}.ipynb"

    @property
    def folder(self) -> str:
        """Of its file among the staged ones, and of the page below the site's folder."""
        return "/".join(["cells", *self.source.parts[-4:-1]])

    @property
    def path(self) -> str:
        """Its place among the staged files; the same below the site's folder, as .html."""
        return f"{self.folder}/{self.name}"

    @property
    def records(self) -> Path:
        """The file of its records; of one that failed, those of an earlier run."""
        return self.source.with_name(f"{self.stem}.parquet")

    @cached_property
    def of_model(self) -> Model:
        """What the catalog says of its model."""
        return catalog.find_model(self.model)
