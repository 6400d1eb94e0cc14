"""The vote that came second: v5 on EfficientNet-B0 and on ResNeXt50, soft, one to one."""

from ensembles.voting import run, soft, submit

final = soft(run("v5_multitask/effb0"), run("v5_multitask/resnext50"))

if __name__ == "__main__":
    submit(__file__, final)
