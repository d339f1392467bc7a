"""A small Hugging Face Hub on this machine: what `huggingface_hub` and `transformers` ask, and faults.

    with serve_hub({"EleutherAI/pythia-14m": {"step0": checkpoint_files(0), "main": {...}}}) as hub:
        hub.use(monkeypatch, tmp_path / "cache")  # this process; `hub.env(cache)` for another one
        ...
        assert hub.sent_of("model.safetensors") < 10_000

- A repository is `{revision: {file name: bytes}}`; without a `main`, its last revision is `main`.
  `datasets/NAME` is a data set. `checkpoint_files` makes the files of a tiny GPT-NeoX model.
- Spoken: `/api/models/REPO[/revision/REV][?blobs=true]`, `/refs`, `/tree/REV`, `/paths-info/REV`, and
  `/REPO/resolve/REV/FILE` (HEAD, GET, byte ranges). REV is a branch or a commit; a commit is the same
  in every run. Weights (`.safetensors`, `.bin`) are LFS files: their `resolve` redirects to the
  "CDN", which is another port, with `X-Linked-Etag` (SHA-256) and `X-Linked-Size`. Others are sent at
  once, with git's hash as ETag. 404 and 401 carry `X-Error-Code`. Xet is not offered.
- A file may be a `LargeFile`: of any size, without the memory. A revision that is named by 40 hex digits
  is that commit, as a pinned one is.
- `hub.inject(fault, path=..., times=...)` answers the next `times` requests whose path contains
  `path` (None: all from now on) by a fault: `status(429, retry_after="1")`, `dies_after(1000)`,
  `truncated`, `flipped`, `close`, `stall`. `hub.faults.clear()` ends them.
- `hub.requests` lists what was asked, `hub.sent` counts bytes of bodies, `hub.sent_of(part)` those of
  some paths. `bytes_per_second` and `latency` (seconds before each answer) slow the server down.
- `hub.repos` may be changed while it runs: `hub.repos[repo]["step1"] = ...`. A repository in `gated`
  wants a token out of `tokens`.
"""

from __future__ import annotations

import functools
import hashlib
import io
import json
import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from helpers.range_server import QuietHandler

LFS_SUFFIXES = (".safetensors", ".bin")
Files = dict[str, "bytes | LargeFile"]
Fault = Callable[["Handler", "Answer"], None]


class Request(NamedTuple):
    """What was asked, how many bytes of body came back for it, and the token that came with it."""

    method: str
    path: str
    range: str
    sent: int
    token: str = ""


class Answer(NamedTuple):
    """What a good server would say: status, headers, body."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, eq=False)
class LargeFile:
    """A file that is made as it is read, so that it may have the size of a published one.

    Attributes:
        size: in bytes.
        read: gives the bytes start..stop.
    """

    size: int
    read: Callable[[int, int], bytes]

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, part: slice) -> bytes:
        start, stop, _ = part.indices(self.size)
        return self.read(start, stop)

    @property
    def stand_in(self) -> bytes:
        """What is hashed in its stead."""
        return f"a file of {self.size} bytes".encode()


def repeated(block: bytes, size: int, first: int = 0) -> LargeFile:
    """A file that holds a block of bytes again and again, and begins at that place of the endless row."""

    def read(start: int, stop: int) -> bytes:
        begin = (first + start) % len(block)
        times = -(-(begin + stop - start) // len(block))
        return (block * times)[begin : begin + stop - start]

    return LargeFile(size, read)


@dataclass
class _Injected:
    fault: Fault
    path: str
    times: int | None
    methods: tuple[str, ...]


@dataclass
class HubServer:
    """The state that the server's threads share; see the module's text."""

    url: str
    cdn: str
    repos: dict[str, dict[str, Files]]
    gated: frozenset[str] = frozenset()
    tokens: frozenset[str] = frozenset()
    bytes_per_second: float | None = None
    latency: float = 0.0
    faults: list[_Injected] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def inject(
        self,
        fault: Fault,
        path: str = "",
        times: int | None = 1,
        methods: Iterable[str] = ("GET", "HEAD", "POST"),
    ) -> None:
        """Answer the next `times` requests (None: all) whose path contains `path` by `fault`."""
        self.faults.append(_Injected(fault, path, times, tuple(methods)))

    @property
    def sent(self) -> int:
        """Bytes of bodies, of all answers."""
        return self.sent_of("")

    def sent_of(self, part: str) -> int:
        """Bytes of bodies sent for paths that contain `part`."""
        return sum(request.sent for request in self.requests if part in request.path)

    def commit(self, repo: str, revision: str = "main") -> str:
        """The commit of a branch: 40 hex digits that follow from the repository, branch and files.

        A branch that is named like a commit is that commit.
        """
        name, files = self.revision(repo, revision)
        if re.fullmatch("[0-9a-f]{40}", name):
            return name
        parts = [repo, name, *(f"{path} {git_hash(files[path])}" for path in sorted(files))]
        return hashlib.sha1("\n".join(parts).encode()).hexdigest()

    def revision(self, repo: str, revision: str) -> tuple[str, Files]:
        """The branch that a revision (branch or commit) means, and its files. KeyError: there is none."""
        branches = self.repos[repo]
        if revision in branches:
            return revision, branches[revision]
        if revision == "main":
            last = list(branches)[-1]
            return last, branches[last]
        for name in branches:
            if self.commit(repo, name) == revision:
                return name, branches[name]
        raise KeyError(revision)

    def branches(self, repo: str) -> list[str]:
        return list(dict.fromkeys(["main", *self.repos[repo]]))

    def env(self, cache: Path) -> dict[str, str]:
        """Environment variables by which another process uses this Hub, with a cache of its own."""
        return {
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(cache),
            "HF_HUB_CACHE": str(cache / "hub"),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_OFFLINE": "0",
            "NO_PROXY": "*",
        }

    def use(self, monkeypatch, cache: Path) -> Path:
        """Point this process's `huggingface_hub` and `pythia_utils` here; returns the cache's folder."""
        import transformers.utils.hub
        from huggingface_hub import constants, hf_api

        from pythia_utils.suites import checkpoints

        # What is served here is tiny, whatever the size of the model that it stands for.
        monkeypatch.setattr(checkpoints, "free_memory", lambda: 10**15)
        for name, value in self.env(cache).items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("HF_TOKEN", raising=False)
        monkeypatch.setattr(constants, "ENDPOINT", self.url)
        monkeypatch.setattr(hf_api.api, "endpoint", self.url)
        monkeypatch.setattr(transformers.utils.hub, "_hf_api", None)  # remembers the address
        template = f"{self.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HOME", str(cache))
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache / "hub"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(cache / "token"))
        return cache / "hub"

    def hurry(self, monkeypatch, slept: list[float]) -> None:
        """Let `huggingface_hub` have little patience: its own pauses go to `slept` and take no time."""
        from huggingface_hub import constants

        clock = SimpleNamespace(sleep=slept.append, time=time.time, monotonic=time.monotonic)
        for module in ("huggingface_hub.utils._http", "huggingface_hub.file_download"):
            monkeypatch.setattr(f"{module}.time", clock)
        monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.3)
        monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1000)


@contextmanager
def serve_hub(
    repos: Mapping[str, Mapping[str, Mapping[str, bytes]]],
    gated: Iterable[str] = (),
    tokens: Iterable[str] = (),
    bytes_per_second: float | None = None,
    latency: float = 0.0,
) -> Iterator[HubServer]:
    """Serve repositories at 127.0.0.1 on two free ports, Hub and CDN, until the block ends."""
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), Handler) for _ in range(2)]
    urls = [f"http://127.0.0.1:{server.server_port}" for server in servers]
    copied = {
        repo: {name: dict(files) for name, files in branches.items()}
        for repo, branches in repos.items()
    }
    state = HubServer(*urls, copied, frozenset(gated), frozenset(tokens), bytes_per_second, latency)
    threads = []
    for server in servers:
        server.daemon_threads, server.state = True, state
        threads.append(threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True))
        threads[-1].start()
    try:
        yield state
    finally:
        state.stopped.set()
        for server, thread in zip(servers, threads, strict=True):
            server.shutdown()
            server.server_close()
            thread.join()


@functools.cache
def git_hash(content: bytes | LargeFile) -> str:
    """What git calls the blob, and the Hub's ETag of a file that is not LFS."""
    content = content.stand_in if isinstance(content, LargeFile) else content
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@functools.cache
def sha256(content: bytes | LargeFile) -> str:
    content = content.stand_in if isinstance(content, LargeFile) else content
    return hashlib.sha256(content).hexdigest()


def is_lfs(name: str) -> bool:
    return name.endswith(LFS_SUFFIXES)


# --- the protocol ---------------------------------------------------------------------------------


class Handler(QuietHandler):
    def do_GET(self):
        length = int(self.headers.get("Content-Length") or 0)
        self.form = parse_qs(self.rfile.read(length).decode()) if length else {}
        if self.state.latency:
            self.state.stopped.wait(self.state.latency)
        self.logged = False
        fault = self.next_fault()
        try:
            answer = self.answer()
            fault(self, answer) if fault else self.send(answer)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        if not self.logged:
            self.log(0)

    do_HEAD = do_POST = do_GET

    def next_fault(self) -> Fault | None:
        with self.state.lock:
            for injected in self.state.faults:
                if injected.path in self.path and self.command in injected.methods:
                    if injected.times is not None:
                        injected.times -= 1
                        if injected.times == 0:
                            self.state.faults.remove(injected)
                    return injected.fault
        return None

    def answer(self) -> Answer:
        """As a good server does."""
        path = unquote(urlsplit(self.path).path)
        if match := re.fullmatch(r"/cdn/(.+)/([0-9a-f]{40})/(.+)", path):
            return self.content(self.state.revision(match[1], match[2])[1][match[3]], {})
        if match := re.fullmatch(r"/(.+)/resolve/([^/]+)/(.+)", path):
            return self.resolve(match[1], match[2], match[3])
        if match := re.fullmatch(r"/api/(models|datasets)/(.+)", path):
            return self.api("datasets/" * (match[1] == "datasets") + match[2])
        return error(404, "", "no such page")

    def api(self, path: str) -> Answer:
        match = re.fullmatch(r"(.+?)(?:/(revision|tree|paths-info|refs)(?:/(.+))?)?", path)
        repo, what, revision = match[1], match[2] or "revision", match[3] or "main"
        revision, _, folder = revision.partition("/")
        if refusal := self.refuse(repo, revision):
            return refusal
        if what == "refs":
            branches = [
                {"name": n, "ref": f"refs/heads/{n}", "targetCommit": self.state.commit(repo, n)}
                for n in self.state.branches(repo)
            ]
            return as_json({"branches": branches, "tags": [], "converts": [], "pullRequests": []})
        files = self.state.revision(repo, revision)[1]
        if what == "revision":
            return as_json(self.info(repo, revision, files))
        if what == "paths-info":
            wanted = [name for name in self.form.get("paths", ()) if name in files]
        else:
            wanted = [name for name in files if name.startswith(f"{folder}/" if folder else "")]
            if folder and not wanted:
                return error(404, "EntryNotFound", f"{folder} does not exist on {revision}")
        return as_json([tree_entry(name, files[name]) for name in wanted])

    def info(self, repo: str, revision: str, files: Files) -> dict:
        query = parse_qs(urlsplit(self.path).query)
        blobs = query.get("blobs", ["false"])[0].lower() == "true"
        siblings = [{"rfilename": n, **(blob(n, files[n]) if blobs else {})} for n in sorted(files)]
        sha = self.state.commit(repo, revision)
        return {"id": repo, "modelId": repo, "sha": sha, "siblings": siblings, "tags": []} | {
            "private": False,
            "gated": repo in self.state.gated,
        }

    def refuse(self, repo: str, revision: str) -> Answer | None:
        """Why the caller may not have it, if so: as the Hub words it."""
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if repo not in self.state.repos:
            return error(404 if token else 401, "RepoNotFound", "Repository not found")
        if repo in self.state.gated and token not in self.state.tokens:
            return error(
                403 if token else 401, "GatedRepo", f"Access to model {repo} is restricted"
            )
        try:
            self.state.revision(repo, revision)
        except KeyError:
            return error(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return None

    def resolve(self, repo: str, revision: str, name: str) -> Answer:
        if refusal := self.refuse(repo, revision):
            return refusal
        files, commit = self.state.revision(repo, revision)[1], self.state.commit(repo, revision)
        headers = {"X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
        if name not in files:
            missing = error(404, "EntryNotFound", "Entry not found")
            return missing._replace(headers=missing.headers | headers)
        if not is_lfs(name):
            return self.content(files[name], headers | {"ETag": f'"{git_hash(files[name])}"'})
        headers |= {
            "X-Linked-Etag": f'"{sha256(files[name])}"',
            "X-Linked-Size": str(len(files[name])),
            "Location": f"{self.state.cdn}/cdn/{repo}/{commit}/{name}?signed=yes",
        }
        return Answer(302, headers, b"")

    def content(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """The file, or the byte range of it that was asked for."""
        headers = {"Content-Type": "application/octet-stream", "Accept-Ranges": "bytes"} | headers
        headers.setdefault("ETag", f'"{sha256(body)}"')
        asked = self.headers.get("Range")
        if asked is None:
            return Answer(200, headers, body)
        match = re.fullmatch(r"bytes=(\d*)-(\d*)", asked)
        size = len(body)
        if match and not match[1]:
            start, stop = max(0, size - int(match[2])), size
        elif match:
            start, stop = int(match[1]), min(int(match[2]) + 1 if match[2] else size, size)
        if not match or not 0 <= start < stop:
            return Answer(416, {"Content-Range": f"bytes */{size}"}, b"")
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
        return Answer(206, headers, body[start:stop])

    def log(self, sent: int) -> None:
        with self.state.lock:
            self.logged = True
            asked = self.headers.get("Range", "")
            token = self.headers.get("Authorization", "")
            self.state.requests.append(Request(self.command, self.path, asked, sent, token))

    def send(self, answer: Answer, promised: int | None = None) -> None:
        """`promised`: the length that the head says, where that is not what comes."""
        body = answer.body if self.command != "HEAD" else b""
        self.log(len(body))  # before the client can have it, and look
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body) if promised is None else promised))
        self.end_headers()
        self.write(body)
        if promised is not None:
            self.close_connection = True

    def write(self, body: bytes) -> None:
        rate = self.state.bytes_per_second
        if not rate:
            self.wfile.write(body)
            return
        piece = max(1, int(rate / 50))
        started = time.monotonic()
        for begin in range(0, len(body), piece):
            self.wfile.write(body[begin : begin + piece])
            early = (begin + piece) / rate - (time.monotonic() - started)
            if early > 0 and self.state.stopped.wait(early):
                break


def as_json(value: object) -> Answer:
    return Answer(200, {"Content-Type": "application/json"}, json.dumps(value).encode())


def error(code: int, name: str, message: str) -> Answer:
    body = as_json({"error": message})
    headers = body.headers | {"X-Error-Message": message}
    return Answer(code, headers | ({"X-Error-Code": name} if name else {}), body.body)


def blob(name: str, content: bytes) -> dict:
    """A file's metadata as `?blobs=true` gives them."""
    pointer = _pointer(content) if is_lfs(name) else content
    facts = {"size": len(content), "blobId": git_hash(pointer)}
    if is_lfs(name):
        lfs = {"sha256": sha256(content), "size": len(content), "pointerSize": len(pointer)}
        facts["lfs"] = lfs
    return facts


def tree_entry(name: str, content: bytes) -> dict:
    """A file's metadata as `tree` and `paths-info` give them."""
    facts = blob(name, content)
    entry = {"type": "file", "path": name, "size": facts["size"], "oid": facts["blobId"]}
    if lfs := facts.get("lfs"):
        entry["lfs"] = {
            "oid": lfs["sha256"],
            "size": lfs["size"],
            "pointerSize": lfs["pointerSize"],
        }
    return entry


def _pointer(content: bytes) -> bytes:
    """Git's stand-in for an LFS file."""
    version = "https://git-lfs.github.com/spec/v1"
    return f"version {version}\noid sha256:{sha256(content)}\nsize {len(content)}\n".encode()


# --- faults ---------------------------------------------------------------------------------------


def status(code: int, **headers: str) -> Fault:
    """Another status; `retry_after="3"` becomes `Retry-After: 3`."""
    named = {name.replace("_", "-").title(): value for name, value in headers.items()}
    return lambda handler, answer: handler.send(Answer(code, named, b"sorry"))


def dies_after(count: int) -> Fault:
    """Promises the whole body and breaks off after `count` bytes of it."""

    def fault(handler: Handler, answer: Answer) -> None:
        cut = answer._replace(body=answer.body[:count])
        handler.send(cut, promised=len(answer.body))

    return fault


def truncated(handler: Handler, answer: Answer) -> None:
    """Half of the body, and a head that says that this is all."""
    half = answer.body[: len(answer.body) // 2]
    headers = dict(answer.headers)
    if answer.status == 206 and half:
        start = int(re.match(r"bytes (\d+)-", headers["Content-Range"])[1])
        headers["Content-Range"] = f"bytes {start}-{start + len(half) - 1}/{start + len(half)}"
    handler.send(answer._replace(headers=headers, body=half))


def flipped(handler: Handler, answer: Answer) -> None:
    """The right number of bytes, of which the one in the middle is wrong."""
    body = bytearray(answer.body)
    if body:
        body[len(body) // 2] ^= 0xFF
    handler.send(answer._replace(body=bytes(body)))


def close(handler: Handler, answer: Answer) -> None:
    """Closes the connection without a word."""
    handler.close_connection = True


def stall(handler: Handler, answer: Answer) -> None:
    """Takes the request and never answers."""
    handler.state.stopped.wait(5)
    handler.close_connection = True


# --- checkpoints to serve -------------------------------------------------------------------------


def shape_of(model: Any) -> dict[str, int]:
    """What `checkpoint_files` needs for the true shape of a model of the catalogue."""
    return {
        "hidden_size": model.d_model,
        "num_hidden_layers": model.n_layers,
        "num_attention_heads": model.n_heads,
        "intermediate_size": model.intermediate,
        "vocab_size": model.vocab_size,
        "max_position_embeddings": model.seq_length,
    }


def checkpoint_files(
    seed: int = 0,
    form: str = "safetensors",
    dtype: str = "float16",
    old_buffers: bool = False,
    **config: int,
) -> Files:
    """The files of a tiny GPT-NeoX model with random weights that follow from `seed`.

    Args:
        seed: of the weights.
        form: `safetensors`, `sharded` (safetensors in several files with an index), `bin`,
            `bin-sharded`, or `both` (safetensors and .bin).
        dtype: of the stored weights.
        old_buffers: with the causal masks and rotary frequencies that the suite's own files carry.
        config: of `GPTNeoXConfig`, to change the shape.
    """
    import torch
    from safetensors.torch import save

    model = tiny_model(seed, dtype, **config)
    state = {re.sub("^lm_head", "embed_out", k): v for k, v in model.state_dict().items()}
    state = {name: tensor.contiguous() for name, tensor in state.items()}
    if old_buffers:
        state |= _old_buffers(model)
    files = _other_files(model)

    def as_bin(part: dict) -> bytes:
        file = io.BytesIO()
        torch.save(part, file)
        return file.getvalue()

    def as_safetensors(part: dict) -> bytes:
        return save(part, {"format": "pt"})

    if form in ("safetensors", "both"):
        files["model.safetensors"] = as_safetensors(state)
    if form in ("bin", "both"):
        files["pytorch_model.bin"] = as_bin(state)
    if form == "sharded":
        files |= _sharded(state, "model", "safetensors", as_safetensors)
    if form == "bin-sharded":
        files |= _sharded(state, "pytorch_model", "bin", as_bin)
    return files


def make_tiny(monkeypatch, *names: str, **shape: int) -> None:
    """Let the suites know some models by the shape of `checkpoint_files`, or one that differs from it."""
    from pythia_utils.suites import catalog

    tiny = {"n_layers": 2, "d_model": 16, "n_heads": 2, "vocab_size": 64, "rotary_pct": 0.25}
    tiny |= {"seq_length": 32}
    for name in names:
        model = replace(catalog.find_model(name), **tiny | shape)
        for scope in (None, model.suite):
            monkeypatch.setitem(catalog._index(scope), model.name, model)


def tiny_model(seed: int, dtype: str = "float32", **config: int):
    """A `GPTNeoXForCausalLM` of 2 layers and width 16, with random weights."""
    import torch
    from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

    shape = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    shape |= {"intermediate_size": 64, "vocab_size": 64, "max_position_embeddings": 32}
    shape |= {"bos_token_id": 0, "eos_token_id": 0} | config
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = GPTNeoXForCausalLM(GPTNeoXConfig(**shape))
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.1)
    return model.to(getattr(torch, dtype)).eval()


def _old_buffers(model) -> dict:
    import torch

    shape, found = model.config, {}
    size = shape.max_position_embeddings
    for layer in range(shape.num_hidden_layers):
        place = f"gpt_neox.layers.{layer}.attention"
        found[f"{place}.bias"] = torch.ones(size, size, dtype=torch.bool).tril()[None, None].clone()
        found[f"{place}.masked_bias"] = torch.tensor(-1e9)
        found[f"{place}.rotary_emb.inv_freq"] = torch.ones(1)
    return found


def _other_files(model) -> Files:
    """Configuration and tokenizer."""
    with tempfile.TemporaryDirectory() as folder:
        model.config.save_pretrained(folder)
        _tokenizer(model.config.vocab_size).save_pretrained(folder)
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def _tokenizer(size: int):
    """One token a character; as many as the model has, at most."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = ["<|endoftext|>", *"abcdefghijklmnopqrstuvwxyz .,"][:size]
    vocabulary = {letter: number for number, letter in enumerate(letters)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<|endoftext|>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.decoder = decoders.Fuse()
    special = {"eos_token": "<|endoftext|>", "bos_token": "<|endoftext|>"}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)


def _sharded(state: dict, stem: str, suffix: str, write: Callable[[dict], bytes]) -> Files:
    """Two files and the index that says which tensor is where."""
    names = sorted(state)
    halves = [names[: len(names) // 2], names[len(names) // 2 :]]
    files, places = {}, {}
    for number, part in enumerate(halves, 1):
        name = f"{stem}-{number:05}-of-{len(halves):05}.{suffix}"
        files[name] = write({key: state[key] for key in part})
        places |= dict.fromkeys(part, name)
    total = sum(tensor.numel() * tensor.element_size() for tensor in state.values())
    index = {"metadata": {"total_size": total}, "weight_map": places}
    files[f"{stem}.{suffix}.index.json"] = json.dumps(index).encode()
    return files
