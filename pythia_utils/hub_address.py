"""Where files of the Hugging Face Hub are: addresses at `HF_ENDPOINT`, and who may see the token."""

from __future__ import annotations

import os
from urllib.parse import quote

from pythia_utils.errors import UsageError
from pythia_utils.http_ranges import RangeReader, Retry, checked_url, origin

_YES = ("1", "ON", "YES", "TRUE")


def endpoint() -> str:
    """The Hub, or the mirror that `HF_ENDPOINT` names; no slash at its end.

    Raises:
        UsageError: `HF_ENDPOINT` is not http or https.
    """
    return checked_url(os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


def file_url(repo: str, revision: str, name: str = "") -> str:
    """A file of a repository, `datasets/NAME` for a data set's; without `name` their folder."""
    return f"{endpoint()}/{repo}/resolve/{quote(revision, safe='')}/{quote(name)}"


def is_offline() -> bool:
    """Whether the user forbids the network to Hub programs: `HF_HUB_OFFLINE`."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in _YES


def refuse_offline(url: str) -> None:
    """Before a request.

    Raises:
        UsageError: `HF_HUB_OFFLINE` is set.
    """
    if is_offline():
        raise UsageError(f"{url} is needed and not in the cache, but HF_HUB_OFFLINE is set")


def hub_reader(retry: Retry | None = None) -> RangeReader:
    """A reader of ranges that shows the user's token (`hf auth login`, `HF_TOKEN`) to the Hub alone."""
    from huggingface_hub import get_token

    token = get_token()
    return RangeReader(retry or Retry(), tokens={origin(endpoint()): token} if token else {})
