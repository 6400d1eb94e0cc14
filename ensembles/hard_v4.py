"""Hard vote over separate models: v4 with three losses, cross-entropy with twice the weight."""

from ensembles.voting import hard, run, submit

hard_v4 = hard(
    2 * run("v4_separate/effb0"),
    run("v4_separate/effb0-lossfocal"),
    run("v4_separate/effb0-lossweighted"),
)

if __name__ == "__main__":
    submit(__file__, hard_v4)
