"""How votes are counted: a vote is an expression over runs and over other votes. Free of torch."""

from ensembles.voting.api import hard, run, soft, submit
from ensembles.voting.ensembles import ensemble

__all__ = ["ensemble", "hard", "run", "soft", "submit"]
