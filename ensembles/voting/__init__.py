"""How votes are counted: a vote is an expression over runs and over other votes. Free of torch."""

from core.ensembles import ensemble
from core.vote import hard, run, soft, submit

__all__ = ["ensemble", "hard", "run", "soft", "submit"]
