"""A vote over votes: the soft vote `final` with twice the weight of the hard vote of v4 and of v1."""

from ensembles.voting import ensemble, hard, run, submit

nested = hard(2 * ensemble("final"), ensemble("hard_v4"), run("v1_single/effb0"))

if __name__ == "__main__":
    submit(__file__, nested)
