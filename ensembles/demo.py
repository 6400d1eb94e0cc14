"""The vote of `make demo`: two unlike kernels, soft, equal weights. ensembles/demo.csv trains them."""

from ensembles.voting import run, soft, submit

demo = soft(run("v5_multitask/demo"), run("v6_years/demo"))

if __name__ == "__main__":
    submit(__file__, demo)
