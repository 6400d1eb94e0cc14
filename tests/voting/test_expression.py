"""Votes as text: what is read, what is refused, and the command line."""

import numpy as np
import pytest

from core import places
from core.refusal import Refusal
from ensembles.voting import ensemble, expression, hard, run, soft, submission
from tests.conftest import PROJECT

FUNCTIONS = {function.__name__: function for function in (run, soft, hard, ensemble)}


@pytest.mark.parametrize(
    "text",
    [
        'run("k/a")',
        'run("k/a", fold="best")',
        'run("k/a", fold=0)',
        'soft(run("k/a"), 2 * run("k/b"))',
        'hard(2 * soft(run("k/a"), run("k/b")), 0.3 * run("k/c"), per="attribute")',
        '3 * hard(run("k/a"), soft(run("k/b"), per="attribute"))',
    ],
)
def test_an_expression_reads_back_as_it_is_written(text):
    assert str(expression.parse(text, FUNCTIONS)) == text


def test_an_expression_gives_the_same_vote_as_the_functions(three):
    a, b, c = three
    vote = expression.parse("hard(+2*soft('k/a','k/b'), 'k/c' * 0.5, soft('k/c'))", FUNCTIONS)
    np.testing.assert_array_equal(vote.probs("test"), hard(2 * soft(a, b), 0.5 * c, soft(c)).probs("test"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("__import__('os').system('true')", "cannot vote with"),
        ("open('k/a')", "cannot vote with"),
        ("soft.__globals__", "cannot vote with"),
        ("soft(*[run('k/a')])", "cannot vote with"),
        ("soft('k/a', **{'per': 'attribute'})", "cannot vote with"),
        ("run('k/' + 'a')", "cannot vote with"),
        ("(lambda: run('k/a'))()", "cannot vote with"),
        ("soft('k/a') + soft('k/b')", "cannot vote with"),
        ("soft('k/a'", "cannot read"),
        ("", "cannot read"),
        ("(" * 500, "cannot read"),
        ("soft('k/a', 0 * 'k/b')", "weight 0"),
        ("soft('k/a', -1 * run('k/b'))", "weight -1"),
        ("soft('k/a', 1e999 * run('k/b'))", "weight inf"),
        ("soft('k/a', nan * run('k/b'))", "cannot vote with 'nan'"),
        ("soft('k/a', True * run('k/b'))", "weight True"),
        ("-'k/a' * run('k/b')", "cannot vote with"),
        ("~2 * run('k/b')", "cannot vote with"),
        ("soft('k/a', seed=3)", "seed"),
        ("run('k/a', fold='worst')", "a fold is its number"),
        ("run('k')", "as KERNEL/NAME"),
        ("run('../../k/a')", "as KERNEL/NAME"),
        ("soft()", "has no members"),
        ("7", "cannot vote with"),
    ],
)
def test_anything_else_is_refused(text, message):
    with pytest.raises(Refusal, match=message.replace("(", r"\(")) as refused:
        expression.parse(text, FUNCTIONS)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("path", sorted(PROJECT.glob("ensembles/[!_]*.py")), ids=lambda path: path.stem)
def test_every_ensemble_file_can_be_written_as_an_expression(path):
    assert str(expression.parse(str(ensemble(path.stem)), FUNCTIONS)) == str(ensemble(path.stem))


def test_the_command_writes_a_submission_only_with_a_name(three, home, command):
    text = "hard(2*soft('k/a','k/b'), 'k/c')"
    done = command("-m", "ensembles.voting", text)
    assert done.returncode == 0, done.stderr
    assert "not written" in done.stdout
    assert not places.submissions().exists()
    assert command("-m", "ensembles.voting", text, "--name", "tonight").returncode == 0
    written = submission.load("tonight")
    assert written.manifest["expression"] == 'hard(2 * soft(run("k/a"), run("k/b")), run("k/c"))'
    vote = hard(2 * soft(*three[:2]), three[2])
    np.testing.assert_array_equal(written.test, vote.probs("test").argmax(1))
    np.testing.assert_array_equal(written.oof, vote.probs("oof").argmax(1))
    assert set(written.manifest["members"]) == {"k/a", "k/b", "k/c"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["soft('k/a', 'v5_multitask/effb0-seed1')"],
            "make it with python kernels/v5_multitask/run.py --backbone effb0",
        ),
        (["soft('k/a')", "--name", "a/b"], "must be a plain name"),
        (["soft('k/a')", "--name", "leaderboard"], "must be a plain name"),
        (["soft('k/a')", "--nane", "x"], "did you mean --name?"),
        (["finall"], "did you mean final?"),
        (["nothing_like_it"], "there are demo, final, folds, hard_v4, nested"),
        ([""], "needs a vote"),
        ([], "needs a vote"),
    ],
)
def test_a_wrong_command_ends_in_one_line(three, home, command, words, message):
    done = command("-m", "ensembles.voting", *words)
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert message in done.stderr
    assert not places.submissions().exists()
