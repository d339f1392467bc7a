"""What this experiment's notebook will ask of the Hub (`analysis.needs`)."""

from __future__ import annotations

from pythia_utils.analysis.geometry import compared
from pythia_utils.analysis.needs import Needs
from pythia_utils.evaluation import text_sets, validation


def add(
    needs: Needs,
    suite: str,
    model: str,
    step: int,
    compare: str,
    tensors_only: bool,
    texts: str,
    **_: object,
) -> None:
    """The checkpoint, those it is compared with, and the texts. The parameters are the notebook's.

    Cells that read single tensors need the checkpoints too, if they are to run where the Hub cannot be asked.
    """
    checkpoint = needs.checkpoint(model, step, suite)
    how = compared.chosen(compare, suite)
    others = [*compared.earlier(checkpoint, how).values()]
    if how == compared.ALL and not tensors_only:
        others += [checkpoint.model.checkpoint(one) for one in compared.own_steps(checkpoint)]
        others += compared.relatives(checkpoint)
    needs.checkpoints += dict.fromkeys(others)
    if not tensors_only and (files := text_sets.hub_files(validation.chosen(suite, texts))):
        needs.files.append(files)
