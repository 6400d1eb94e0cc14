"""Larger backbones, which the report found slower and no better on this little data."""

from tests.studies.table import Arm, Claim, Side, Study

LARGER = ("effb4", "effb7", "resnext50")

STUDY = Study(
    question="Is a larger backbone worth its time?",
    data="600 photographed people and 200 to test on, or any other folder of the competition's form with an answers.csv",
    make_data="python -m tests.studies.faces FACES DATA --people 600 --eval-people 200",
    kernel="v5_multitask",
    base={"backbone": "effb0"},
    arms=(Arm("effb0"), *(Arm(name, {"backbone": name}) for name in LARGER)),
    claims=tuple(
        Claim("backbones", f"{name} is better than effb0", Side((name,)), Side(("effb0",))) for name in LARGER
    ),
    needs="a GPU, and weights from timm's hub",
)
