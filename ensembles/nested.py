"""Votes of votes: the winning soft vote counts twice beside the hard vote of v4 and beside v1."""

from ensembles.voting import ensemble, hard, run, submit

nested = hard(2 * ensemble("final"), ensemble("hard_v4"), run("v1_single/effb0"))

if __name__ == "__main__":
    submit(__file__, nested)
