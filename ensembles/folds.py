"""All folds of one run, and its best fold alone as the report did: two submissions, so that the regret is measured."""

from ensembles.voting import run, submit

folds = run("v5_multitask/effb0")
folds_best = run("v5_multitask/effb0", fold="best")

if __name__ == "__main__":
    submit(__file__, folds)
    submit("folds_best", folds_best)
