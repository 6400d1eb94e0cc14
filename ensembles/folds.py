"""The mean of all folds of one run, and the best fold alone as in the original report: two submissions to compare."""

from ensembles.voting import run, submit

folds = run("v5_multitask/effb0")
folds_best = run("v5_multitask/effb0", fold="best")

if __name__ == "__main__":
    submit(__file__, folds)
    submit("folds_best", folds_best)
