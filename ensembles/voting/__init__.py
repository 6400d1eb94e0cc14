"""Votes as expressions: over runs and over other votes, scored and written as submissions. Free of torch."""

from ensembles.voting.api import adjust, hard, run, soft, submit
from ensembles.voting.ensembles import ensemble

__all__ = ["adjust", "ensemble", "hard", "run", "soft", "submit"]
