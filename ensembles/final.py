"""The vote that won second place, with the mean of all folds where the original had one model of nearly all people
(original.py): v5 on EfficientNet-B0 and on ResNeXt50, soft, equal weights."""

from ensembles.voting import run, soft, submit

final = soft(run("v5_multitask/effb0"), run("v5_multitask/resnext50"))

if __name__ == "__main__":
    submit(__file__, final)
