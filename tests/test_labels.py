import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from core import labels


def test_the_classes_are_the_competitions():
    assert labels.label(0, 0, 0) == 0
    assert labels.label(1, 0, 2) == 8
    assert labels.label(2, 1, 2) == 17
    assert labels.CLASSES[8] == "wrong male 60+"
    assert [labels.label(*labels.split(label)) for label in range(18)] == list(range(18))


def test_age_groups_at_their_boundaries():
    assert labels.age_group(np.array([18, 29, 30, 59, 60, 61])).tolist() == [0, 0, 1, 1, 2, 2]
    assert labels.age_group(np.array([57, 58]), old=58).tolist() == [1, 2]


@given(st.integers(0, 2**32 - 1))
def test_marginals_undo_joint(seed):
    rng = np.random.default_rng(seed)
    parts = [rng.dirichlet(np.ones(classes), 5) for classes in (3, 2, 3)]
    joint = labels.joint(*parts)
    np.testing.assert_allclose(joint.sum(1), 1)
    for part, back in zip(parts, labels.marginals(joint), strict=True):
        np.testing.assert_allclose(back, part)
    np.testing.assert_allclose(labels.joint(*map(torch.tensor, parts)).numpy(), joint)


def test_joint_puts_each_class_where_its_label_says():
    for label in range(18):
        parts = [np.eye(size)[[part]] for part, size in zip(labels.split(label), (3, 2, 3), strict=True)]
        assert labels.joint(*parts).argmax() == label
