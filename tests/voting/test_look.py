"""A vote looks at a folder of photographs as its runs would."""

import numpy as np
import pandas as pd
import pytest

from core.refusal import Refusal
from ensembles.voting import __main__ as command
from ensembles.voting import adjust, hard, run, soft
from tests.conftest import PROJECT

OTHER = PROJECT / "kernels/v1_single/run.py"


def test_it_gives_the_votes_own_test_probabilities(train, data_dir, home):
    train(name="one")
    tested = train(OTHER, name="two")
    votes = {
        "soft('v5_multitask/one', 2*'v1_single/two')": soft(run("v5_multitask/one"), 2 * run("v1_single/two")),
        "adjust(hard('v5_multitask/one','v1_single/two'), age=(1,1,3))": adjust(
            hard(run("v5_multitask/one"), run("v1_single/two")), age=(1, 1, 3)
        ),
    }
    out = home / "probs.csv"
    for text, vote in votes.items():
        command.main([text, "--images", str(data_dir / "eval/images"), "--out", str(out), "--device", "cpu"])
        frame = pd.read_csv(out).set_index("file").loc[tested.test_ids]
        np.testing.assert_allclose(frame.iloc[:, 1:].to_numpy(), vote.probs("test"), atol=1e-4)
    for words, says in (
        (["--images", str(data_dir / "eval/images")], "--images and --out go together"),
        (["--images", str(home), "--out", str(out)], "holds no .jpg"),
        (["--images", str(data_dir / "eval/images"), "--out", str(home / "probs.txt")], "must end in .csv"),
    ):
        with pytest.raises(Refusal, match=says):
            command.main(["soft('v5_multitask/one')", *words])
    words = ["--images", str(data_dir / "eval/images"), "--out", str(out), "--device", "cpu"]
    with pytest.raises(Refusal, match="one fold alone cannot look at other photographs"):
        command.main(["run('v5_multitask/one', fold=0)", *words])
