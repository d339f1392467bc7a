"""How fast models run in the page, in Chromium on this machine: python benchmarks/live.py [FILE]

Random weights in the shapes of pico and nano, so nothing need be trained. For each size: reading a checkpoint
(the weights of its script as numbers), the log-probability of a sentence of 12 tokens, all that the page shows
of it, and two sentences at all 13 checkpoints of pico. The fastest of some rounds. And the error of 16 bits:
the largest difference of a log-probability from that of the same weights in 32. FILE gets a table in Markdown.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import torch
from playwright.sync_api import sync_playwright
from transformers import GPTNeoXForCausalLM

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from helpers.browser import FLAGS
from helpers.live_page import ENGINE, load_weights, write_page

from pythia_utils.nano.train import initialise
from pythia_utils.site import live
from pythia_utils.suites import find_model

SIZES = ("nano-7k", "nano-57k", "nano-224k", "nano-793k")
CHECKPOINTS, TOKENS, ROUNDS = 13, 12, 7
TIMED = """([name, config, ids, checkpoints, rounds]) => {
  const fastest = (act) => {
    const times = Array.from({ length: rounds }, () => {
      const begun = performance.now();
      act();
      return performance.now() - begun;
    });
    return Math.min(...times);
  };
  const text = texts[name], halves = live.halves(text), checksum = live.checksum(halves);
  const open = () => new live.Network(config, live.unpack(live.halves(text), config, checksum));
  const network = open();
  const networks = Array.from({ length: checkpoints }, open);
  return {
    read: fastest(open),
    score: fastest(() => live.logProbability(network, ids)),
    look: fastest(() => live.look(network, ids)),
    pair: fastest(() => {
      for (const one of networks) for (const own of [ids, ids]) live.logProbability(one, own);
    }),
  };
}"""


def random_network(name: str, folder: Path) -> tuple[GPTNeoXForCausalLM, GPTNeoXForCausalLM]:
    """A network in 32 bits, no weight of which is 0 or 1, and itself in 16, which is saved."""
    torch.manual_seed(0)
    network = initialise(find_model(name)).eval()
    with torch.no_grad():
        for weight in network.parameters():
            weight += 0.1 * torch.randn_like(weight)
    rounded = initialise(find_model(name)).eval()
    rounded.load_state_dict(network.state_dict())
    rounded.half().save_pretrained(folder)
    return network, rounded.float()


def rounding(network, rounded, ids: list[int]) -> float:
    """The largest difference of a log-probability, nats."""
    with torch.inference_mode():
        answers = [n(torch.tensor([ids])).logits.log_softmax(-1) for n in (network, rounded)]
    return float((answers[0] - answers[1]).abs().max())


def measure(page, folder: Path, name: str) -> dict[str, float]:
    """Milliseconds of each task, and the error of rounding."""
    own = folder / name
    network, rounded = random_network(name, own)
    script = own / "weights.js"
    script.write_bytes(live.as_script(name, 0, live.read_weights(own)))
    ids = torch.randint(2, 1000, (TOKENS,)).tolist()
    load_weights(page, script)
    told = [name, live.read_config(own), ids, CHECKPOINTS, ROUNDS]
    return page.evaluate(TIMED, told) | {"error": rounding(network, rounded, [0, *ids])}


def table(rows: dict[str, dict[str, float]]) -> str:
    """In Markdown."""
    columns = ["shape", "read a checkpoint", f"{TOKENS} tokens", "all that is shown of them"]
    columns += [f"a pair at {CHECKPOINTS} checkpoints", "16 bits against 32"]
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for name, row in rows.items():
        times = " | ".join(f"{row[task]:.0f} ms" for task in ("read", "score", "look", "pair"))
        lines.append(f"| {name} | {times} | {row['error']:.4f} nats |")
    return "\n".join(lines)


def main(target: str | None) -> None:
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        folder = Path(scratch)
        shutil.copytree(Path(__file__).parents[1] / "book/_static/live", folder / "_static/live")
        (folder / "_static/live.js").touch()
        path = shutil.which("chromium") or shutil.which("chromium-browser")
        page = playwright.chromium.launch(executable_path=path, args=list(FLAGS)).new_page()
        page.goto(write_page(folder, "engine").as_uri())
        for name in ENGINE:
            page.add_script_tag(url=(folder / f"_static/live/{name}.js").as_uri())
        page.evaluate(
            "() => { globalThis.texts = {}; live.receive = (name, _, text) => (texts[name] = text); }"
        )
        rows = {}
        for name in SIZES:
            rows[name] = measure(page, folder, name)
            print(name, {key: round(value, 4) for key, value in rows[name].items()}, flush=True)
        if target:
            Path(target).write_text(_page(rows), encoding="utf-8")


def _page(rows: dict[str, dict[str, float]]) -> str:
    all_steps = rows["nano-57k"]["pair"] + CHECKPOINTS * rows["nano-57k"]["read"]
    sentence = max(rows["nano-793k"]["score"], rows["nano-793k"]["look"])
    met = "Plain loops suffice." if all_steps < 1000 and sentence < 500 else "That is missed."
    return f"""# Models in the page

`python benchmarks/live.py benchmarks/live.md`, in headless Chromium: the fastest of {ROUNDS} rounds.

{table(rows)}

57k, {TOKENS} tokens, a pair at all {CHECKPOINTS} checkpoints with reading them: {all_steps:.0f} ms
(wanted: under 1,000). 793k, all that is shown of a sentence: {sentence:.0f} ms (wanted: under 500). {met}

The weights are random. The last column is the largest difference of a log-probability that storing weights in
16 bits makes. The suites' own checkpoints are stored so on the disk already.
"""


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
