"""The tokenizer of a model of your own: where it lies, and what a sentence begins with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pythia_utils.base.errors import UsageError, first_line

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt")


def find(folders: Sequence[Path]) -> Path | None:
    """The first of some folders that holds a tokenizer."""
    return next((f for f in folders if any((f / name).is_file() for name in _FILES)), None)


def read(where: str, place: Path | str) -> PreTrainedTokenizerBase:
    """The tokenizer in a folder, or of a repository of the Hub; transformers' own classes alone.

    Raises:
        UsageError: it is none, or has no token that begins or ends a text.
    """
    from transformers import AutoTokenizer

    local = isinstance(place, Path)
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            place, local_files_only=local, trust_remote_code=False
        )
        tokenizer("a")
    except Exception as failure:  # of tokenizers, transformers, the Hub: each has its own
        raise UsageError(f"{where}: no tokenizer in {place}: {first_line(failure)}") from None
    if tokenizer.bos_token_id is None and tokenizer.eos_token_id is None:
        raise UsageError(
            f"{where}: the tokenizer in {place} has no token that begins or ends a text"
        )
    if tokenizer.eos_token_id is None:
        tokenizer.eos_token = tokenizer.bos_token
    return tokenizer
