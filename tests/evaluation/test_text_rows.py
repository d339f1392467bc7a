"""Rows of held-out text: no two share a document, and there are as many as were asked for."""

from __future__ import annotations

import json

import pytest

from pythia_utils.base.errors import UsageError
from pythia_utils.evaluation import validation
from pythia_utils.evaluation.text_rows import held_out_documents, token_rows


class Letters:
    """A tokenizer whose tokens are the characters."""

    eos_token_id = 0

    def __call__(self, text: str, verbose: bool = True) -> dict:
        return {"input_ids": [ord(letter) for letter in text]}


def shown(rows) -> list[str]:
    return ["".join(chr(token) if token else "|" for token in row) for row in rows]


def test_each_row_begins_with_a_document_and_drops_the_rest_of_its_last():
    documents = iter(["abc", "defgh", "ijklmnop", "qr", "stuvwxyz", "never read"])
    assert shown(token_rows(documents, Letters(), 3, 6)) == ["abc|de", "ijklmn", "qr|stu"]
    assert next(documents) == "never read"


def test_too_little_text_and_rows_that_are_none():
    with pytest.raises(UsageError, match="2 rows of 6 tokens asked for; the text has 1"):
        token_rows(["abcdefgh", "ij"], Letters(), 2, 6)
    for rows, length in ((0, 6), (2, 1)):
        with pytest.raises(UsageError, match="expected 1 or more rows of 2 or more"):
            token_rows(["abc"], Letters(), rows, length)


def test_our_domains_come_in_turn_and_a_file_in_its_order(tmp_path):
    domains = validation.domain_shares("pico")
    first = [validation.validation_documents(domain, 1, "pico")[0] for domain in domains]
    found = held_out_documents("pico")
    assert [next(found) for _ in domains] == first
    path = tmp_path / "texts.jsonl"
    path.write_text("\n".join(json.dumps({"text": text}) for text in ("one", "two")))
    assert list(held_out_documents("pico", str(path))) == ["one", "two"]
