"""No measured number is typed into prose: there it is cited, a setting, or listed here with its reason.

Read are the Markdown cells of chapters, pages and notebooks, the book's pages and the README. Code, formulas
and commands are left out. A number that a measurement could have given is one with a decimal point, a
percentage, one of three digits or more, and a count such as 8 of 15. It may stand in prose if

- its sentence cites a source (`{cite}` or a link),
- it is a confidence or a rate of false finds, which a definition needs (`95% interval`),
- or it is listed in `TYPED`: whose page, which number, and why it is no result of ours.

Otherwise a cell must compute it: `Markdown(text.something(records))`.
"""

from __future__ import annotations

import json
import re

import pytest
from helpers.commands import ROOT

NOTEBOOKS = [*ROOT.glob("book/[a-z]*/*.ipynb"), *ROOT.glob("notebooks/*.ipynb")]
PAGES = [ROOT / "README.md", *ROOT.glob("book/*.md")]
SOURCES = sorted(path.relative_to(ROOT).as_posix() for path in (*NOTEBOOKS, *PAGES))

NUMBER = re.compile(
    r"(?<![\w.,/-])[-+−]?(?:\d+ of \d+\b|\d{1,3}(?:,\d{3})+|\d*\.\d+|\d{3,}|\d+(?=\s?%))%?(?![\w])"
)
CITED = re.compile(r"\{cite|\]\(|https?://|@@link")
DEFINITION = re.compile(
    r"\b(?:Wilson|Student)\S* 95%|\b95% (?:interval|confidence|band|bootstrap)|\b95 of 100\b|"
    r"(?:held|hold\w*|discover\w+|false\s+finds)[^.]{0,40}?\b5%"
)
# Of texts that were tried while the corpus was made: those runs are no part of the book.
SHARES_AND_GAINS = [
    ".12",
    ".15",
    ".16",
    ".17",
    ".18",
    ".20",
    ".25",
    ".30",
    "0.1",
    "0.3",
    "0.4",
    "0.8",
]
COUNTS = [
    "1.4",
    "1.7",
    "4.0",
    "2.3",
    "3.3",
    "3.4",
    "3.7",
    "3.9",
    "4.5",
    "110",
    "250",
    "500",
    "750",
    "10 of 20",
]
TRIED = dict.fromkeys([*SHARES_AND_GAINS, *COUNTS], "a corpus that was tried")
# A number of ours that is a setting, of the suite, or an example; and of Pythia what its pages say.
TYPED = {
    "README.md": {
        "3.11": "the version of Python",
        "154": "checkpoints of Pythia, its own grid",
    },
    "book/cluster.md": {"127.0": "an address", "154": "checkpoints of Pythia"},
    "book/index.md": {
        "512": "a step, as an example",
        "143,000": "a step, as an example",
        "793": "thousand parameters of our largest size",
    },
    "book/teach.md": {
        "101": "a seed, as an example",
        "102": "a seed, as an example",
        "3.11": "the version of Python",
    },
    "book/rerun.md": {
        "3.11": "the version of Python",
        "140": "megabytes of a download",
    },
    "book/suites.md": TRIED
    | {
        "0.1": "weight decay, a setting",
        "0.25": "a setting of Pythia's",
        "1%": "warm-up, a setting",
        "1,000": "a step of an erratum",
        "1,024": "a setting",
        "1.0": "a setting",
        "128": "a setting",
        "13,000": "a step of an erratum",
        "2,048": "a setting",
        "300": "billion tokens of Pythia",
        "43,000": "a step of an erratum",
        "50,254": "Pythia's vocabulary",
        "512": "the grid of checkpoints",
        "793": "thousand parameters of our largest size",
    },
    "book/experiments/facts.ipynb": {
        "100": "the range of a published test",
        "192": "facts that the corpus was made with, a setting",
    },
    "book/experiments/geometry.ipynb": {"0.95": "the CKA of no change, by definition"},
    "book/experiments/grammar.ipynb": {
        ".1": "the band of a plateau, by definition",
        ".75": "the threshold of an onset, by definition",
        ".9": "a threshold to try, and the highest correlation that a yes or no can have",
    },
    "book/experiments/interventions.ipynb": {
        "21%": "of training, a published intervention's own",
        "512": "a step, of an exercise",
        "7%": "of training, a published intervention's own",
        "750": "a step, as an example",
    },
    "book/experiments/memorization.ipynb": {
        "0.80": "the bound of equivalence, a setting",
        "1.01": "of an exercise",
        "1.05": "of an exercise",
        "1.25": "the bound of equivalence, a setting",
        "95%": "the confidence of a band",
    },
    "book/experiments/training_data.ipynb": {
        "1,000": "a step, as an example",
        "128": "a setting",
        "129": "a setting, and one more",
        "134,318,121": "documents that Pythia's pages give",
        "2,000": "a step, as an example",
        "2,047": "a position",
        "2,048": "a setting of Pythia's",
        "2,049": "a setting of Pythia's, and one more",
        "207,170,414,058": "tokens that Pythia's pages give",
        "98,000": "of an exercise",
    },
    "book/pages/stability.ipynb": {
        "2.8": "the sum of two normal quantiles, which the code beside it computes",
        "5%": "the usual rate of false finds, by definition",
        "80%": "the usual power, by definition",
    },
    "book/pages/published.ipynb": {
        "1,000": "a published step",
        "3,000": "the first published step",
        "53,000": "a step of an erratum",
    },
    "book/pages/quickstart.ipynb": {
        "1,000": "an example",
        "1.1": "gigabytes of a download",
        "2,000": "an example",
        "512": "a step, as an example",
    },
    "notebooks/facts.ipynb": {"192": "facts that the corpus was made with, a setting"},
    "notebooks/grammar.ipynb": {"5%": "the ends of whiskers", "95%": "the ends of whiskers"},
}


def prose(source: str) -> str:
    """What readers read as text: without code, commands, formulas, comments and the targets of links."""
    text = re.sub(r"^(`{3,}).*?^\1`*\s*$", "\n\n", source, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"^:{3,}.*\n(?::[\w-]+:.*\n)*", "\n", text, flags=re.MULTILINE)
    text = re.sub(r"<!--.*?-->|\$\$.*?\$\$|\$[^$\n]+\$", " ", text, flags=re.DOTALL)
    text = re.sub(r"(\{[\w:]+\})`[^`]*`", r"\1", text)
    text = re.sub(r"`[^`]*`", " ", text)
    return re.sub(r"\]\([^)]*\)", "](@@link", text)


def sentences(text: str) -> list[str]:
    """Cut where sentences, items and table rows end."""
    return re.split(r"(?<=[.!?])\s+(?=[A-Z*\"{(])|\n\s*\n|\n(?=\s*(?:[-*|]|\d+\.) )", text)


def typed(source: str) -> list[tuple[str, str]]:
    """The numbers that a measurement could have given, each with its sentence."""
    found = []
    for sentence in sentences(prose(source)):
        if CITED.search(sentence):
            continue
        rest = DEFINITION.sub(" ", " ".join(sentence.split()))
        found += [(match.group().strip(), rest) for match in NUMBER.finditer(rest)]
    return found


def read(name: str) -> list[str]:
    path = ROOT / name
    if path.suffix == ".md":
        return [path.read_text(encoding="utf-8")]
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]


@pytest.mark.parametrize("name", SOURCES)
def test_no_measured_number_is_typed(name):
    found = [pair for source in read(name) for pair in typed(source)]
    new = [pair for pair in found if pair[0] not in TYPED.get(name, {})]
    assert not new, "compute it in a cell, cite it in its sentence, or give its reason in TYPED"


@pytest.mark.parametrize("name", TYPED)
def test_what_is_listed_is_there(name):
    found = {number for source in read(name) for number, _ in typed(source)}
    assert not TYPED[name].keys() - found, "strike it out: the page no longer has it"


@pytest.mark.parametrize(
    ("source", "numbers"),
    [
        ("The accuracy is .735 at the end.", [".735"]),
        ("It rises by 12 % or 12.5%, to 0.91 (-.04).", ["12", "12.5%", "0.91", "-.04"]),
        ("Learnt at step 512, in 8 of 15 phenomena.", ["512", "8 of 15"]),
        ("Counts of 1,234 texts; 99 others.", ["1,234"]),
        ("Bands are Wilson 95% intervals.\nThe plateau is .9.", [".9"]),
        ("False discoveries are held at 5%.", []),
        ("They find .076 {cite}`kaplan2020scaling`. We find .08.", [".08"]),
        ("Here it is .5 ([issue 92](https://example.org/92)).", []),
        ("`x = 0.5` and $y = .7$\n\n```\n0.123\n```\n", []),
        ("pythia-2.8b, v0, step3000, BLiMP's 67 paradigms", []),
    ],
)
def test_the_rule_by_examples(source, numbers):
    assert [number for number, _ in typed(source)] == numbers
