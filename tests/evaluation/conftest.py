"""The network and the tokenizer that the tests of scores share."""

from __future__ import annotations

import pytest
from helpers import word_models


@pytest.fixture(scope="session")
def model():
    return word_models.random_network()


@pytest.fixture(scope="session")
def tokenizer():
    return word_models.word_tokenizer()
