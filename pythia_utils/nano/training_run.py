"""`pythia train`: from names to trained models, with progress that a person can follow."""

from __future__ import annotations

from collections.abc import Iterable

from pythia_utils.base.errors import UsageError, unknown
from pythia_utils.base.files import locked
from pythia_utils.base.progress import Bar, say
from pythia_utils.base.units import duration
from pythia_utils.nano import changed, trained
from pythia_utils.nano import jobs as nano_jobs
from pythia_utils.nano.corpus import is_current, make_corpus
from pythia_utils.nano.english import require_package
from pythia_utils.nano.interventions import find_intervention
from pythia_utils.suites.catalog import Model, Suite, built_in_suites, find_model
from pythia_utils.suites.catalog import suite as find_suite
from pythia_utils.suites.checkpoints import pick_device
from pythia_utils.suites.folders import suite_folder
from pythia_utils.suites.forks import fork_of
from pythia_utils.training_data.corpus import Corpus

_EXAMPLE = "pythia train pico --models 57k --intervention swap-gender --from-step 750"


def choose_models(
    suite: str,
    names: Iterable[str] | None,
    seeds: Iterable[str] | None,
    until: int | None = None,
    intervention: str | None = None,
    from_step: int | None = None,
) -> list[Model]:
    """The models of a local suite that have one of `names` and one of `seeds`.

    Args:
        suite: name of a suite that is trained here.
        names: model names, or what follows the suite's: `57k`, `57k-deduped`. None for all.
        seeds: numbers, or as names end: `1` is `seed1`, of weights and data order; `weight-seed1` and
            `data-seed1` are of one of them. With `names` any number will do. None for all that the suite
            lists, or for the very models that `names` says.
        until: a checkpoint step that every chosen model must have. Without `names` those of the suite that
            begin at step 0 are meant.
        intervention: take the models that go on from the chosen ones with this change of the text ...
        from_step: ... from this checkpoint on. Both or neither, and not with `until`.

    Raises:
        UsageError: an unknown name, seed, intervention or step.
    """
    _check_fork(until, intervention, from_step)
    family = _trained_here(suite)
    whole = until is not None or intervention is not None
    models = [m for m in family.models.values() if not (whole and m.fork)]
    if names is not None:
        models = [find_model(_full(name, family.name), family.name) for name in names]
    if seeds is not None:
        usual = str(family.training["seed"])
        models = [m for seed in seeds for m in _of_seed(models, seed, usual, names is not None)]
    models = list({model.name: model for model in models}.values())
    if intervention is not None:
        models = [fork_of(model, intervention, from_step) for model in models]
    for model in models if until is not None else ():
        model.checkpoint(until)
    for fork in (model.fork for model in models if model.fork):
        find_intervention(fork.intervention)
    return models


def _check_fork(until: int | None, intervention: str | None, from_step: int | None) -> None:
    """An intervention and its step go together, and to the end."""
    if (intervention is None) != (from_step is None):
        missing = "--from-step" if from_step is None else "--intervention"
        raise UsageError(f"which {missing[2:]}? expected {missing} too, such as: {_EXAMPLE}")
    if intervention is None:
        return
    find_intervention(intervention)
    if until is not None:
        raise UsageError("--until is for trainings from step 0; expected it without --intervention")


def _trained_here(name: str) -> Suite:
    family = find_suite(name)
    if family.kind != "local":
        ours = [each for each in built_in_suites() if find_suite(each).kind == "local"]
        raise UsageError(f"suite {family.name} is not trained here; expected {' or '.join(ours)}")
    return family


def _full(name: str, suite: str) -> str:
    return name if name.lower().startswith(f"{suite}-") else f"{suite}-{name}"


def _of_seed(models: list[Model], seed: str, usual: str, any_number: bool) -> list[Model]:
    """Of `models` those of one seed; with `any_number` their sizes trained with it, listed or not."""
    ending = f"seed{seed}" if seed.isdecimal() else seed
    ending = "" if ending == f"seed{usual}" else ending
    if any_number and ending:
        return [find_model(f"{model.name}-{ending}", model.suite) for model in models]
    found = [model for model in models if model.seed_name == ending]
    if not found:
        known = [model.seed_name or usual for model in models]
        raise unknown("seed", seed, sorted(set(known)), where=f"in suite {models[0].suite}")
    return found


def train_suite(models: list[Model], device: str, workers: int, until: int | None = None) -> None:
    """Make the corpus if needed, then train what is not trained yet, telling how far it is on stderr.

    An old corpus, and a model's old checkpoints, stay until the new ones are whole. What goes on from another
    model needs that one: it is trained too.

    Raises:
        UsageError: the device is not there.
        FolderInUse: another process trains this suite.
        TrainingError: a worker process died.
    """
    name = models[0].suite
    models = _with_bases(models)
    with locked(suite_folder(name), f"`pythia train {name}`"):
        if not is_current(Corpus(find_suite(name))) or _untrained(models, until):
            device = pick_device(device)  # before anything is written
        make_corpus_aloud(name)
        _make_changed_aloud(models)
        todo = _untrained(models, until)
        if not todo:
            say(f"{name}: {len(models)} models are trained, in {suite_folder(name)}")
            return
        for model in filter(trained.is_stale, todo):
            say(f"{model.name} was trained by other code or settings: training it again")
        say(
            f"{name}: training {len(todo)} of {len(models)} models, {workers} at a time, on {device}"
        )
        progress = _Progress(todo, until)
        with progress.bar as bar:
            nano_jobs.train_models(todo, device, workers, until, progress.report)
        say(f"{name}: trained in {duration(bar.seconds)}, in {suite_folder(name)}")


def _untrained(models: list[Model], until: int | None) -> list[Model]:
    return [model for model in models if not trained.is_trained(model, until)]


def _with_bases(models: list[Model]) -> list[Model]:
    """The models, and those from which some of them go on."""
    bases = [trained.base_of(model) for model in models if model.fork]
    return list(dict.fromkeys([*models, *bases]))


def _make_changed_aloud(models: list[Model]) -> None:
    """Make the texts that models of an intervention read, telling what had to stay."""
    texts = {changed.folder_of(model): model for model in models if model.fork}
    for model in texts.values():
        what = f"{model.suite}: {model.fork.intervention} ({model.reads})"
        if not changed.is_current(model):
            say(f"{what}: changing the corpus")
            counts = changed.make_changed(model)
            stayed = f", {counts['left']:,} could not be: their length would change"
            say(
                f"{what}: {counts['changed']:,} of {counts['all']:,} documents are changed"
                + stayed * bool(counts["left"])
            )


def make_corpus_aloud(suite: str) -> Corpus:
    """`make_corpus`, saying so if there is anything to make."""
    family = find_suite(suite)
    if not is_current(Corpus(family)):
        if family.is_of_text:
            require_package(family.corpus["package"])  # before we say that we begin
        say(f"{suite}: writing the corpus and training its tokenizer")
    return make_corpus(family)


class _Progress:
    """One bar over all models, in units of work: a step of a large model counts for more."""

    def __init__(self, models: list[Model], until: int | None) -> None:
        self.costs = {model.name: nano_jobs.cost(model) for model in models}
        self.last = {model.name: trained.wanted_steps(model, until)[-1] for model in models}
        self.latest: dict[str, nano_jobs.Report] = {}
        self.first = {model.name: nano_jobs.first_step(model, models) for model in models}
        total = sum((self.last[name] - self.first[name]) * self.costs[name] for name in self.last)
        # The first steps wait for imports: no forecast from them.
        self.bar = Bar(total, models[0].suite, warm_up=0.02)

    def report(self, report: nano_jobs.Report) -> None:
        """Take in a report and show it, if it is time."""
        before = self.latest.get(report.model)
        self.latest[report.model] = report
        steps = report.step - (before.step if before else self.first[report.model])
        finished = report.step == self.last[report.model]
        running = [r for r in self.latest.values() if r.step < self.last[r.model]]
        told = " | ".join(map(self._one, [report] if finished else running))
        self.bar.advance(steps * self.costs[report.model], told, now=finished)

    def _one(self, report: nano_jobs.Report) -> str:
        return (
            f"{report.model} {report.step:,}/{self.last[report.model]:,} "
            f"loss {report.loss:.2f} {report.tokens_per_second / 1000:.0f}k tokens/s"
        )
