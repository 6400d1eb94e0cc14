"""Fixtures of the comparison's tests."""

from pathlib import Path

import pytest

from ensembles.voting import hard, soft, submission
from tests.compare.fabricated import fabricate, noise_photographs, predictions


@pytest.fixture
def three(home) -> Path:
    """Submissions of one data set: good, fair, and a vote over a vote of both."""
    good = fabricate("k/good", predictions(0.9, 1), predictions(0.9, 4))
    fair = fabricate("k/fair", predictions(0.5, 2), predictions(0.5, 5))
    submission.write("good", good)
    submission.write("fair", fair)
    submission.write("nested", soft(2 * hard(good, fair), fair))
    return home


@pytest.fixture
def photographs(tmp_path) -> Path:
    return noise_photographs(tmp_path / "photographs")
