"""The vote of `make demo`: a single run, the shortest way from a run to a submission."""

from ensembles.voting import run, soft, submit

demo = soft(run("v5_multitask/demo"))

if __name__ == "__main__":
    submit(__file__, demo)
