"""The recipe that won second place, to the letter: v5 on EfficientNet-B0 and ResNeXt50, each one model of all people
but 0.2 percent, soft, equal weights. `make sweep TABLE=ensembles/original.csv` trains them.
"""

from ensembles.voting import run, soft, submit

LAST = "folds1-val_ratio0.002"
original = soft(run(f"v5_multitask/effb0-{LAST}"), run(f"v5_multitask/resnext50-{LAST}"))

if __name__ == "__main__":
    submit(__file__, original)
