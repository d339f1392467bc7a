"""Can the checkpoints of a model be trusted? Compares all its revisions, without downloading them.

`audit` looks (`audit_facts`), judges (`audit_findings`) and gives a report for people and programs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from pythia_utils.base.errors import UsageError
from pythia_utils.base.http import shown_url
from pythia_utils.base.terminal import aligned
from pythia_utils.base.units import show_size
from pythia_utils.suites import folders
from pythia_utils.suites.audit_facts import Cost, Facts, hub_facts, local_facts
from pythia_utils.suites.audit_findings import Finding, judge
from pythia_utils.suites.catalog import Model, find_model
from pythia_utils.suites.errata import steps_in_words
from pythia_utils.suites.hub.hugging_face import endpoint

_ORDER = ("new", "known", "expected", "note")


@dataclass(frozen=True)
class Report:
    """What an audit found.

    Attributes:
        model: that was looked at.
        source: the repository's address, or the folder.
        tensors: whether tensors were sampled.
        facts: of each revision.
        findings: new ones first.
        cost: of looking.
    """

    model: Model
    source: str
    tensors: bool
    facts: tuple[Facts, ...]
    findings: tuple[Finding, ...]
    cost: Cost

    @property
    def new(self) -> tuple[Finding, ...]:
        """The findings that no erratum explains."""
        return tuple(finding for finding in self.findings if finding.status == "new")

    def to_json(self) -> dict:
        """The report as plain JSON values."""
        revisions = [
            {"revision": one.name, "step": one.step, "commit": one.commit, "files": one.hashes}
            | {"missing": one.missing, "damaged": one.damaged, "sample": one.sample_digest}
            for one in self.facts
        ]
        return {
            "model": self.model.name,
            "suite": self.model.suite,
            "source": self.source,
            "tensors": self.tensors,
            "new": len(self.new),
            "findings": [asdict(finding) for finding in self.findings],
            "revisions": revisions,
            "cost": asdict(self.cost),
        }

    def table(self) -> str:
        """The findings as an aligned table, and one line that counts revisions and bytes."""
        rows = [("status", "kind", "steps", "what was found", "source")]
        for finding in self.findings:
            steps = steps_in_words(self.model, finding.steps)
            rows.append((finding.status, finding.kind, steps, finding.text, finding.source))
        return "\n".join([*([aligned(rows)] if self.findings else []), self.summary()])

    def summary(self) -> str:
        """One sentence: how much was looked at, at what cost, and what is new."""
        looked = f"{len(self.facts)} revisions of {self.model.name}"
        if self.model.repo_id is not None:
            looked += f", {self.cost.questions + self.cost.ranges} requests"
            looked += f", {show_size(self.cost.bytes)} of tensors" if self.tensors else ""
        counts = dict.fromkeys(_ORDER, 0)
        for finding in self.findings:
            counts[finding.status] += 1
        told = [f"{counts[status]} {status}" for status in _ORDER[:3] if counts[status]]
        return f"{looked}: {', '.join(told) or 'no fault found'}"


def audit(
    model: str,
    steps: Iterable[int] | None = None,
    tensors: bool = True,
    suite: str | None = None,
    quiet: bool = True,
) -> Report:
    """Look at the revisions of a model and compare them.

    Args:
        model: a name such as `pico-57k` or `pythia-2.8b`; old names are understood.
        steps: only these checkpoints (and, on the Hub, `main`); all by default.
        tensors: read sample rows of the embedding by byte ranges; without, hashes alone are compared.
        suite: the suite's name; inferred from the model's name if None.
        quiet: no progress on stderr.

    Returns:
        The report: what was seen of each revision, and the findings, those that no erratum explains first.

    Raises:
        UsageError: unknown model or step; one of ours of which nothing is trained.
        FetchError: the Hub does not answer, or has no such repository.
    """
    found = find_model(model, suite)
    if found.own:
        raise UsageError(
            f"{found.name} is of a suite of your own; expected a model of the book's suites"
        )
    chosen = found.checkpoints if steps is None else [found.checkpoint(s) for s in sorted({*steps})]
    if found.repo_id is None:
        source = str(folders.suite_folder(found.suite) / found.name)
        if not any(folders.checkpoint_path(one).is_dir() for one in chosen):
            hint = f"run: pythia train {found.suite} --models {found.name}"
            raise UsageError(f"{found.name} is not trained yet ({source}); {hint}")
        facts, cost = local_facts(found, chosen, tensors, quiet)
    else:
        source = f"{shown_url(endpoint())}/{found.repo_id}"
        facts, cost = hub_facts(found, chosen, tensors, quiet)
    ordered = sorted(judge(found, facts, tensors), key=lambda one: _ORDER.index(one.status))
    return Report(found, source, tensors, tuple(facts), tuple(ordered), cost)
