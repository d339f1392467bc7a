"""Open a checkpoint of any suite: a local folder of ours, or a revision on the Hub, by one call.

Local suites live in `PYTHIA_HOME/suites/<suite>/<model>/step<N>/`, in the layout that
`from_pretrained` reads: `model.safetensors`, `config.json` and the tokenizer's files.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pythia_utils.base.errors import UsageError, first_line, unknown
from pythia_utils.base.files import file_digest
from pythia_utils.base.memory import free_memory
from pythia_utils.suites import devices, idle_gpu
from pythia_utils.suites.catalog import Checkpoint, Model, find_model
from pythia_utils.suites.devices import AUTO, DTYPES
from pythia_utils.suites.errata import (
    CheckpointWarning as CheckpointWarning,  # what `load` warns with
)
from pythia_utils.suites.errata import heed_errata
from pythia_utils.suites.home import home
from pythia_utils.suites.hub.commits import forget_other
from pythia_utils.suites.hub.hugging_face import cached_commit
from pythia_utils.suites.identity import require, source_of, weight_files
from pythia_utils.suites.shared_tokenizer import tokenizer_folder

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from pythia_utils.suites.hub.cache import HubCache

END_OF_TEXT = "<|endoftext|>"  # in Pythia's tokenizer and in ours


def hub_cache(**options) -> HubCache:
    """The Hub's files in the shared cache, with the journal in PYTHIA_HOME."""
    from pythia_utils.suites.hub.cache import HubCache

    return HubCache(home() / "hub", **options)


def resolved(checkpoint: Checkpoint) -> dict:
    """Which bytes a checkpoint was when it was last opened: `source`, `commit`, `files`.

    Returns:
        `source`: `repo@revision`, or the model and step of ours; `commit`: of the repository, None
        for ours; `files`: hashes by name (SHA-256 of weights, git's of the Hub's small files). Of
        the Hub's that were never opened here, `commit` is None and `files` empty.

    Raises:
        UsageError: a checkpoint of ours that has not been trained.
    """
    model = checkpoint.model
    if model.repo_id is None:
        require(checkpoint)
        files = {path.name: file_digest(path) for path in weight_files(checkpoint)}
        return {"source": source_of(checkpoint), "commit": None, "files": files}
    commit = cached_commit(model.repo_id, checkpoint.revision)
    entry = hub_cache().journal.read(model.repo_id, commit) if commit else None
    known = (
        {"commit": entry.commit, "files": entry.files} if entry else {"commit": None, "files": {}}
    )
    return {"source": source_of(checkpoint)} | known


def stamp(checkpoint: Checkpoint) -> str:
    """`resolved` for a page's watermark: our file's hash, or revision, commit and hash of the weights.

    Raises:
        UsageError: a checkpoint of ours that has not been trained.
    """
    found = resolved(checkpoint)
    hashes = [hash_[:12] for name, hash_ in sorted(found["files"].items()) if len(hash_) == 64]
    if checkpoint.model.repo_id is None:
        return ",".join(hashes)
    commit = (found["commit"] or "unknown")[:12]
    return " ".join([found["source"], "commit", commit, "sha256", ",".join(hashes) or "unknown"])


def renew(checkpoint: Checkpoint, commit: str | None) -> None:
    """See to it that a checkpoint of the Hub is opened at this commit, not at an older one of the cache.

    Args:
        checkpoint: of any suite; for ours nothing is done.
        commit: that the Hub tells; None if it is not known: then the cache's is right.

    Raises:
        OSError: the cache may not be written.
    """
    if checkpoint.model.repo_id is not None and commit is not None:
        forget_other(checkpoint.model.repo_id, checkpoint.revision, commit)


def checkpoint_folder(checkpoint: Checkpoint, cache: HubCache | None = None) -> Path:
    """The folder with a checkpoint's files: ours, or the cache's, fetched from the Hub if need be.

    Raises:
        UsageError: one of ours that is not trained yet; of your own, one that is no longer there.
        FetchError: the Hub's that cannot be had.
    """
    model = checkpoint.model
    if model.repo_id is None:
        return require(checkpoint)
    return (cache or hub_cache()).open(model.repo_id, checkpoint.revision).folder


# --- load -----------------------------------------------------------------------------------------


def pick_device(device: str = "auto") -> str:
    """`auto` is the GPU where there is one, else the CPU.

    Raises:
        UsageError: no such device here.
    """
    import torch

    if device == AUTO:
        if torch.cuda.is_available():
            return "cuda"
        idle_gpu.warn()
        return "cpu"
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as failure:
        reason = first_line(failure)
        raise UsageError(f"device {device!r} cannot be used here: {reason}") from None
    return device


def _pick_dtype(dtype: str, device: str, trained_in: str) -> torch.dtype:
    """That of a name; `auto` as `devices.usual_dtype` says."""
    import torch

    if dtype == AUTO:
        on_gpu = torch.device(device).type != "cpu"  # which is `cpu:0`, too
        dtype = devices.usual_dtype(on_gpu, trained_in)
    if dtype not in DTYPES:
        raise unknown("dtype", dtype, (AUTO, *DTYPES))
    return getattr(torch, dtype)


def _outgrows_gpu(model: Model, dtype: torch.dtype) -> bool:
    """Whether the weights, and a fifth for the work, are more than the first GPU has free."""
    import torch

    return 1.2 * model.total_params * dtype.itemsize > torch.cuda.mem_get_info()[0]


def check_memory(model: Model, device: str, dtype: str) -> None:
    """Refuse what `load` could not do with a device and dtype, before anything is fetched.

    Raises:
        UsageError: unknown device or dtype; or the model's weights need more bytes than are free: of a
            GPU that was asked for, else in memory; with `auto`, on all GPUs and in memory.
    """
    import torch

    target = torch.device(pick_device(device))
    chosen = _pick_dtype(dtype, str(target), model.dtype)
    there, where = 0, "free in memory"
    if target.type == "cuda":
        spread = device == AUTO
        gpus = range(torch.cuda.device_count()) if spread else [target]
        there += sum(torch.cuda.mem_get_info(gpu)[0] for gpu in gpus)
        where = "free on GPUs and in memory" if spread else f"free on {target}"
    if target.type != "cuda" or device == AUTO:
        there += free_memory()
    name = str(chosen).removeprefix("torch.")
    devices.refuse_too_large(model.name, model.total_params, name, there, where)


def asked(device: str, dtype: str) -> tuple[str, str]:
    """Device and dtype as they were given; for `auto`, what PYTHIA_DEVICE and PYTHIA_DTYPE say.

    Raises:
        UsageError: a variable is no such setting.
    """
    device = devices.asked_device() if device == AUTO else device
    return device, devices.asked_dtype() if dtype == AUTO else dtype


def load(
    model: str,
    step: int | str,
    suite: str | None = None,
    device: str = "auto",
    dtype: str = "auto",
    strict: bool = False,
) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """Load a checkpoint's model, in evaluation mode, and its tokenizer.

    The real suite's comes from the Hub (safetensors, else .bin read with `weights_only`), into the
    cache that all Hugging Face tools share; what is there is used without asking. A checkpoint without a
    tokenizer is opened with that of its family, which is said. One that is known to be wrong gives a
    `CheckpointWarning`. One of a suite of your own may be of any architecture of transformers; code that lies
    beside it is never run.

    Args:
        model: a name such as `pico-57k` or `pythia-70m-deduped`; old names are understood.
        step: the training step, one of the model's checkpoints: a number, a revision such as `step3000`, or
            `main`, the last.
        suite: the suite's name; inferred from the model's name if None.
        device: `auto`, `cpu`, `cuda`, `cuda:1`, ... `auto` is the GPU if there is one; a model that
            does not fit it is spread over all GPUs and the CPU (needs accelerate). PYTHIA_DEVICE says
            what `auto` is instead.
        dtype: `auto`, `float32`, `bfloat16`, `float16`. `auto` is float32 on the CPU, on a GPU what
            the model was trained in, or what PYTHIA_DTYPE says.
        strict: refuse a checkpoint that is known to be wrong.

    Returns:
        Transformers' own classes: `GPTNeoXForCausalLM`, of your own models the one that their
        configuration names, and `PreTrainedTokenizerFast`.

    Raises:
        UsageError: unknown model, suite, step, device or dtype; a model that does not fit here; one of ours
            that is not trained yet; one whose weights or tokenizer are missing on the Hub; a wrong one
            with `strict`.
        FetchError: the Hub does not deliver, or what it delivers is corrupt.
        WeightsError: the files do not hold this model's weights.
    """
    checkpoint = find_model(model, suite).checkpoint(step)
    heed_errata([checkpoint], strict)
    device, dtype = asked(device, dtype)
    check_memory(checkpoint.model, device, dtype)
    folder = checkpoint_folder(checkpoint)
    tokenizer = _tokenizer_of(checkpoint, folder)
    network = build_network(checkpoint, folder, device, dtype)
    return name_network(network, checkpoint), tokenizer


def fetch_tokenizer(checkpoint: Checkpoint) -> None:
    """Bring the tokenizer of a model of your own, if its file says that it is a repository of its own.

    Raises:
        UsageError: it cannot be had.
    """
    own = checkpoint.model.own
    if own and own.tokenizer and not Path(own.tokenizer).is_dir():
        _tokenizer_of(checkpoint, Path(own.tokenizer))


def _tokenizer_of(checkpoint: Checkpoint, folder: Path) -> PreTrainedTokenizerFast:
    if own := checkpoint.model.own:
        from pythia_utils.suites.own import tokenizer

        named = [Path(own.tokenizer)] if own.tokenizer else []
        # Trainer writes one into each checkpoint, or into the folder of the run alone.
        place = tokenizer.find([*named, folder, *([own.folder] if own.folder else [])])
        if place is None and not own.tokenizer:
            hint = f"say in {own.file.name} where it is, as tokenizer: FOLDER"
            raise UsageError(f"{source_of(checkpoint)} has no tokenizer; {hint}")
        return tokenizer.read(source_of(checkpoint), place or own.tokenizer)
    return read_tokenizer(tokenizer_folder(checkpoint, folder))


def read_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """The tokenizer of the files in a folder; without a file of settings, with what the suites' all have.

    Raises:
        UsageError: it is none, has no tokens, or none that ends a text.
    """
    from transformers import PreTrainedTokenizerFast

    path = folder / "tokenizer.json"
    try:
        tokenizer = PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
        known = tokenizer.get_vocab()
        if tokenizer.eos_token not in known:
            tokenizer.eos_token = END_OF_TEXT
        tokenizer("a")
    except Exception as failure:  # of tokenizers, transformers, JSON: each has its own
        raise UsageError(f"{path} is not a tokenizer: {first_line(failure)}") from None
    if tokenizer.eos_token not in known:
        raise UsageError(
            f"{path} is not a tokenizer: no token {END_OF_TEXT} among its {len(known)}"
        )
    return tokenizer


def name_network(network: PreTrainedModel, checkpoint: Checkpoint) -> PreTrainedModel:
    """The network itself, which now carries model and step: what is said of it can name them."""
    network.name_or_path = f"{checkpoint.model.name} step {checkpoint.step}"
    return network


def build_network(checkpoint: Checkpoint, folder: Path, device: str, dtype: str) -> PreTrainedModel:
    """The model of a checkpoint whose files are in `folder`; device and dtype as in `load`.

    Raises:
        UsageError: unknown device or dtype, or accelerate is needed and missing.
        WeightsError: the files do not hold this model's weights.
    """
    import torch
    from transformers.utils import is_accelerate_available, logging

    from pythia_utils.suites import weights

    logging.disable_progress_bar()  # a bar for a file that is read in milliseconds
    target = pick_device(device)
    chosen = _pick_dtype(dtype, target, checkpoint.model.dtype)
    on_gpu = torch.device(target).type == "cuda"
    if device != AUTO or not on_gpu or not _outgrows_gpu(checkpoint.model, chosen):
        return weights.build(folder, checkpoint.model, chosen).to(target)
    if not is_accelerate_available():
        raise UsageError(
            f"{checkpoint.model.name} does not fit the GPU; to spread it: pip install 'pythia-book[gpu]'"
        )
    return weights.build(folder, checkpoint.model, chosen, spread=True)
