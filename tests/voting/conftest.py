"""Fixtures of the votes' tests."""

import pytest

from ensembles.voting import run
from ensembles.voting.nodes import Node
from tests.voting.random_runs import random_run


@pytest.fixture
def three(home) -> list[Node]:
    """Three runs of one data set: k/a, k/b and k/c."""
    for seed, name in enumerate("abc"):
        random_run(f"k/{name}", seed)
    return [run(f"k/{name}") for name in "abc"]
