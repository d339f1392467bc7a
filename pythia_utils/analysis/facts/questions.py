"""The questions: facts of our own corpus whose truth we know, or those of a user's file.

A fact is asked by the beginning of the sentence that tells it, and answered by one of its candidates, which
are all answers to the same relation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pythia_utils.base.errors import UsageError
from pythia_utils.evaluation.pair_files import table_rows
from pythia_utils.evaluation.sets import set_name
from pythia_utils.nano.documents import FACT_ANSWERS, FACT_PROMPTS
from pythia_utils.suites.catalog import named_file
from pythia_utils.suites.catalog import suite as find_suite
from pythia_utils.training_data.corpus import open_corpus

COLUMNS = ("subject", "prompt", "answer", "candidates")
BETWEEN = "|"  # candidates of a file


@dataclass(frozen=True)
class Question:
    """One fact, and how it is asked.

    Attributes:
        subject: whom or what the fact is about. Facts of one subject are not independent.
        relation: what is asked of it; a file has none.
        prompts: the wordings, text that the answer completes.
        answer: the right one.
        candidates: all answers to choose from.
    """

    subject: str
    relation: str
    prompts: tuple[str, ...]
    answer: str
    candidates: tuple[str, ...]

    @property
    def name(self) -> str:
        """What records call the fact."""
        return f"{self.subject}: {self.relation or self.prompts[0]}"

    @property
    def right(self) -> int:
        """The place of the answer among the candidates."""
        return self.candidates.index(self.answer)


def open_questions(suite: str, path: str = "") -> list[Question]:
    """The facts of a suite's own corpus, or those of a file.

    Raises:
        UsageError: a suite whose text we did not make, and no file; a corpus that has not been made; a file
            that cannot be read, or a row that is no question.
    """
    if path:
        return read_questions(named_file(path))
    if find_suite(suite).kind != "local" or find_suite(suite).is_of_text:
        raise UsageError(
            f"what {suite}'s training text tells is not recorded; expected facts_file, a CSV file with the "
            f"columns {', '.join(COLUMNS)}; data/capitals.csv is one"
        )
    return own_questions(suite)


def asked_in_words(path: str) -> str:
    """What records call the questions: `own`, or a file's name and a digest of it."""
    return set_name(named_file(path)) if path else "own"


def own_questions(suite: str) -> list[Question]:
    """The facts that a local suite's corpus tells, the most often told first."""
    return [
        Question(
            fact.person,
            fact.relation,
            tuple(prompt.format(fact.person) for prompt in FACT_PROMPTS[fact.relation]),
            fact.answer,
            FACT_ANSWERS[fact.relation],
        )
        for fact in open_corpus(suite).facts().itertuples()
    ]


def read_questions(path: Path) -> list[Question]:
    """The questions of a CSV file: subject, prompt, answer, and candidates with `|` between them.

    Raises:
        UsageError: no such file, no text, a column that is not there, or a row that is no question.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read facts from {path}: {error}") from None
    rows = [row for _, row in table_rows(str(path), text, ",")]
    if missing := [name for name in COLUMNS for row in rows[:1] if name not in row]:
        raise UsageError(f"{path} has no column {missing[0]}; expected {', '.join(COLUMNS)}")
    found = [_question(row, f"{path}, row {number}") for number, row in enumerate(rows, start=1)]
    if not found:
        raise UsageError(f"{path} holds no facts")
    names = [question.name for question in found]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UsageError(f"{path} asks twice: {twice[0]!r}")
    return found


def _question(row: dict, where: str) -> Question:
    subject, prompt, answer, listed = ((row[name] or "").strip() for name in COLUMNS)
    candidates = tuple(each.strip() for each in listed.split(BETWEEN))
    if not (subject and prompt and all(candidates)):
        raise UsageError(f"{where}: a subject, a prompt or a candidate is empty")
    if candidates.count(answer) != 1 or len(set(candidates)) != len(candidates):
        raise UsageError(
            f"{where}: the answer {answer!r} must be one of the candidates, each there once"
        )
    return Question(subject, "", (prompt,), answer, candidates)


# --- two facts of one person ----------------------------------------------------------------------


def in_two_sentences(questions: Sequence[Question]) -> list[Question]:
    """Each fact asked after another fact of the same person, both in the words that training told them in.

    `Marralen lives in Eastby. Marralen works as a`.
    """
    return [_behind(first, second, ". ", second.prompts[0]) for first, second in _pairs(questions)]


def in_one_sentence(questions: Sequence[Question]) -> list[Question]:
    """The same two facts in one sentence, as training tells no two: the second has no subject of its own.

    `Marralen lives in Eastby and works as a`.
    """
    return [
        _behind(first, second, " and ", second.prompts[0].removeprefix(f"{second.subject} "))
        for first, second in _pairs(questions)
    ]


def _pairs(questions: Sequence[Question]) -> list[tuple[Question, Question]]:
    """Each fact, after another of the same person: that of the relation before its own, in a circle."""
    relations = list(FACT_PROMPTS)
    before = dict(zip(relations, [relations[-1], *relations], strict=False))
    known = {(question.subject, question.relation): question for question in questions}
    return [(known[second.subject, before[second.relation]], second) for second in questions]


def _behind(first: Question, second: Question, joint: str, prompt: str) -> Question:
    text = f"{first.prompts[0]} {first.answer}{joint}{prompt}"
    return Question(second.subject, second.relation, (text,), second.answer, second.candidates)
