"""Configurations and expressions with faults are one sentence, or valid."""

from pathlib import Path

import numpy as np

import mutants

QUICK = (Path(__file__).parents[2] / "configs" / "quick.yaml").read_text(encoding="utf-8")


def test_a_configuration_with_faults_is_one_sentence_or_valid() -> None:
    found = [mutants.load_mutant(QUICK, np.random.default_rng([5, index])) for index in range(150)]
    assert [message for outcome, message in found if outcome not in ("same", "sentence")] == []


def test_an_expression_of_random_words_is_one_sentence_or_valid() -> None:
    found = [mutants.parse_words(np.random.default_rng([5, index])) for index in range(400)]
    assert [message for outcome, message in found if outcome not in ("same", "sentence")] == []
