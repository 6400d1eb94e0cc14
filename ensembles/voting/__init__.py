"""Votes as expressions: over runs and over other votes, scored and written as submissions. Free of torch."""

from ensembles.voting.api import hard, run, soft, submit
from ensembles.voting.ensembles import ensemble

__all__ = ["ensemble", "hard", "run", "soft", "submit"]
