"""A page for each real model, the same on every site: what it is, how to load it, what was published of it.

A page is of a main model: a size and a variant of the data. Its earlier release, its seeds and its
interventions are on the same page.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pythia_utils.base import yaml
from pythia_utils.base.markup import code, markdown
from pythia_utils.base.units import show_size
from pythia_utils.grid.config import Config
from pythia_utils.site import model_facts, model_numbers
from pythia_utils.site.model_numbers import Numbers
from pythia_utils.site.tables import folded, rate, table
from pythia_utils.suites.catalog import Model, data_file, suite
from pythia_utils.suites.neox_config import neox_yaml
from pythia_utils.suites.relatives import main_models, relatives

FOLDER, INDEX = "models", "index"
_SUITE = "pythia"


def of_models() -> list[Model]:
    """The models that have a page."""
    return main_models(suite(_SUITE))


def names() -> list[str]:
    """Of their pages below `FOLDER`, in order; the one about all is `INDEX`."""
    return [model.name for model in of_models()]


def files(numbers: Mapping[str, Numbers], config: Config) -> Iterator[tuple[str, str]]:
    """The pages and the files for download: places among the staged files, and texts.

    Links lead where they do beside `book/models/`.

    Args:
        numbers: by a main model's name; a model that is not there has no section about them.
        config: of the project, whose chapters have titles.
    """
    yield f"{FOLDER}/{INDEX}.md", _index(numbers, config)
    for model in of_models():
        own = numbers.get(model.name)
        yield f"{FOLDER}/{model.name}.md", _page(model, own, config)
        if own and own.csv:
            yield f"{FOLDER}/{model.name}.csv", own.csv


# --- the page about all ---------------------------------------------------------------------------


def _index(numbers: Mapping[str, Numbers], config: Config) -> str:
    models = of_models()
    count = sum(own.count for own in numbers.values())
    told = f" Together they hold {count:,} of them, each with its source." if count else ""
    pages = [*model_numbers.links(["pages/published"], config)]
    compared = f" What was published is compared, model with model, in {pages[0]}." if pages else ""
    m, sizes = models[0], len({model.size for model in models})
    return f"""# The real Pythia

EleutherAI's Pythia {{cite:p}}`biderman2023pythia` is one language model in {sizes} sizes, each trained on two
variants of one text, with the same settings and in the same order. Each model has a page here: its shape, its
training, its checkpoints, what is odd about some of them, how to load one, and the numbers that others
published of it, by step.{told} These pages are the same on every site of this book. No number on them is of
the small models that this book trains itself.

{_index_table(models, numbers)}

The two models of a row have one shape and one rate. *One is* the size of a checkpoint's download; *numbers*
says how many were published of the first and of the second. All were trained for {m.total_steps:,} steps of
{m.tokens_per_step:,} tokens, and each has {len(m.steps)} checkpoints. {{doc}}`/suites` has the other
suites.{compared}

## Names and revisions

- **Names.** `EleutherAI/pythia-SIZE`, with `-deduped` for the text without near-duplicates.
- **Checkpoints** are revisions of the model's repository on the Hub: {_named(m)}. `main` is the
  last. At a step all models of a variant have read the same text.
- **v0**, the first release, is kept under names that end in `-v0`, and is on the page of what replaced it.
- **Seeds.** `-seed1` to `-seed9` are the same training with other first weights and another order of the data
  {{cite:p}}`vanderwal2025polypythias`. They are on the page of their size.
- **Former names.** {_former(models)}
"""


def _index_table(models: Sequence[Model], numbers: Mapping[str, Numbers]) -> str:
    """A row a size: its two variants have one shape."""
    header = ["on the Pile", "without duplicates", "parameters", "not embeddings", "layers"]
    header += ["width", "heads", "peak rate", "one is", "numbers"]
    pairs = [
        [m for m in models if m.size == size] for size in dict.fromkeys(m.size for m in models)
    ]
    return table(header, [_row(pair, numbers) for pair in pairs], "suite models")


def _row(pair: Sequence[Model], numbers: Mapping[str, Numbers]) -> list[str]:
    m = pair[0]
    shape = (m.total_params, m.non_embedding_params, m.n_layers, m.d_model, m.n_heads)
    counts = [f"{numbers[model.name].count:,}" if model.name in numbers else "–" for model in pair]
    return [
        *(f"[{markdown(model.name)}]({model.name}.md)" for model in pair),
        *(f"{number:,}" for number in shape),
        rate(m.learning_rate),
        model_facts.download_size(m),
        " + ".join(counts),
    ]


def _named(model: Model) -> str:
    first, last = model.steps[:4], model.steps[-1]
    early = max(step for step in model.steps if step < 1000)
    parts = [*map(model.revision, first), "…", model.revision(early), "step1000, step2000"]
    return f"`{', '.join(parts)}, …, {model.revision(last)}`"


def _former(models: Sequence[Model]) -> str:
    renamed = [f"{code(m.aliases[0])} is today's {code(m.name)}" for m in models if m.aliases]
    standard = [text for text in renamed if "deduped" not in text]
    return f"{', '.join(standard)}."


# --- the page of a model --------------------------------------------------------------------------


def _page(model: Model, own: Numbers | None, config: Config) -> str:
    family = relatives(suite(_SUITE), model)
    parts = [
        f"# {markdown(model.name)}",
        _opening(model),
        *("## Shape", model_facts.shape(model)),
        *("## Training", _training(model)),
        *("## Checkpoints", _checkpoints(model)),
        *("## Load it", _loading(model)),
        *("## What is odd", _oddities(model, family)),
    ]
    if family:
        parts += ["## Other runs of this size and text", model_facts.others(family)]
    parts += model_numbers.told(model, own, config) if own else []
    return "\n\n".join(parts) + "\n"


def _opening(model: Model) -> str:
    text = (
        "the Pile"
        if model.variant == "standard"
        else "the Pile, from which duplicates were removed"
    )
    return (
        f"The real `{model.repo_id}` {{cite:p}}`biderman2023pythia`: {model.total_params:,} parameters, "
        f"trained on {text}, saved {len(model.steps)} times. No number on this page is of the small models "
        f"that this book trains itself.\n\n{_nearby(model)}"
    )


def _nearby(model: Model) -> str:
    """Links to the other variant, and to the sizes beside it."""
    alike = [each for each in of_models() if each.variant == model.variant]
    here = alike.index(model)
    near = [each for each in of_models() if each.size == model.size and each != model]
    near += [*alike[max(here - 1, 0) : here], *alike[here + 1 : here + 2]]
    links = [f"[{markdown(each.name)}]({each.name}.md)" for each in near]
    hub = f"[on the Hub]({model_facts.HUB}{model.repo_id})"
    return " · ".join([*links, f"[all of them]({INDEX}.md)", hub])


def _training(model: Model) -> str:
    whole = f"```yaml\n{neox_yaml(model)}```"
    return "\n\n".join(
        [
            "As the suite's paper {cite:p}`biderman2023pythia` and the configurations in its repository, "
            "[EleutherAI/pythia](https://github.com/EleutherAI/pythia), have it.",
            model_facts.training(model),
            folded("The whole configuration, as GPT-NeoX reads it", whole),
            f"`pythia config {model.name}` writes it; `--gpus` fits it to the GPUs that there are.",
        ]
    )


def _checkpoints(model: Model) -> str:
    size, count = model_facts.download_size(model), len(model.steps)
    whole, last = show_size(model_facts.BYTES * model.total_params * count), model.steps[-1]
    return f"""{count} revisions of [{model.repo_id}]({model_facts.HUB}{model.repo_id}): {_named(model)}.
`main` is `{model.revision(last)}`. Revision `stepN` is the model after N steps, when it had read N times
{model.tokens_per_step:,} tokens.

One checkpoint is a download of about {size}, all of them {whole}: two bytes a parameter, computed from the
shape. The Hub tells what there is without a download of it:

```python
from huggingface_hub import list_repo_refs

branches = [branch.name for branch in list_repo_refs("{model.repo_id}").branches]
revisions = sorted((b for b in branches if b.startswith("step")), key=lambda name: int(name[4:]))
print(len(revisions), revisions[:3], revisions[-1])
```"""


def _loading(model: Model) -> str:
    step = model_facts.example_step(model)
    own = model.checkpoint(step).revision
    return f"""With plain [transformers](https://huggingface.co/docs/transformers):

```python
from transformers import AutoTokenizer, GPTNeoXForCausalLM

model = GPTNeoXForCausalLM.from_pretrained("{model.repo_id}", revision="{own}")
tokenizer = AutoTokenizer.from_pretrained("{model.repo_id}", revision="{own}")

inputs = tokenizer("The Pile is", return_tensors="pt")
outputs = model.generate(**inputs, max_new_tokens=8, do_sample=False)
print(tokenizer.decode(outputs[0]))
```

With this book's package, which warns of the checkpoints below, retries a download and frees the disk again:

```python
import pythia_utils

model, tokenizer = pythia_utils.load("{model.name}", {step})
for step, model in pythia_utils.sweep("{model.name}", [0, 512, {step}]):
    ...  # the same model, with the weights of each step
```

What it read at that step, and one of this book's experiments on it:

```bash
pythia batch --model {model.name} --step {step} --decode
pythia run loss --suite pythia --model {model.name} --step {step}
```"""


def _oddities(model: Model, family: Sequence[Model]) -> str:
    found = yaml.read(data_file("model_notes.yml"))
    notes = [note for note in found if model.size in note["sizes"]]
    told = [f"- {note['text'].strip()} ({markdown(note['source'])})." for note in notes]
    listed = model_facts.errata([model, *family])
    marked = "P#n is issue n of [EleutherAI/pythia](https://github.com/EleutherAI/pythia/issues)."
    return "\n\n".join(filter(None, ["\n".join(told), listed, marked]))
