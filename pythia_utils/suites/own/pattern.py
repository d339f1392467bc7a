"""How a run names its checkpoints: `step{step}`, `checkpoint-{step}`, `step{step}-tokens{n}B`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pythia_utils.base.errors import UsageError, quoted

_STEP, _BILLIONS = "{step}", "{n}"
_SAFE = re.compile(r"(?!/)(?!.*\.\.)[\w./+-]+", re.ASCII)  # of names of folders and branches


@dataclass(frozen=True)
class Pattern:
    """How checkpoints are named.

    Attributes:
        text: with `{step}` in it, and perhaps `{n}`, billions of tokens.
    """

    text: str

    @classmethod
    def parse(cls, where: str, text: str) -> Pattern:
        """From the text of a file.

        Raises:
            UsageError: not one `{step}` in it, or something that no name has.
        """
        bare = text.replace(_STEP, "", 1).replace(_BILLIONS, "", 1)
        if _STEP not in text or not _SAFE.fullmatch(bare + "x"):
            examples = "step{step}, checkpoint-{step} or step{step}-tokens{n}B"
            raise UsageError(f"{where}: {quoted(text)}; expected one {{step}}, as in {examples}")
        return cls(text)

    @property
    def has_tokens(self) -> bool:
        """Whether names tell how many tokens were read."""
        return _BILLIONS in self.text

    def name(self, step: int) -> str:
        """Of a pattern without `{n}`."""
        return self.text.replace(_STEP, str(step))

    def read(self, name: str) -> tuple[int, int | None] | None:
        """Step and tokens (None if it does not tell) of a name; None of a name of another form."""
        form = re.escape(self.text).replace(re.escape(_STEP), r"(?P<step>\d{1,18})")
        form = form.replace(re.escape(_BILLIONS), r"(?P<n>\d{1,9}(?:\.\d{1,9})?)")
        if not (found := re.fullmatch(form, name, re.ASCII)):
            return None
        billions = found.groupdict().get("n")
        return int(found["step"]), billions and round(float(billions) * 10**9)
