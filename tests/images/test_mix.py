"""Two photographs in one: the pixels, the share that they have, and the loss of it in closed form."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from core.images.mix import mixed
from core.nets import losses
from core.training.phase import Phase
from core.training.step import Step

HOWS = ("mixup", "cutmix", "cutmix_vertical")
LABELS = torch.arange(8)
#: Each image of one grey, so that its pixels tell whose they are.
IMAGES = (LABELS * 30).to(torch.uint8).view(8, 1, 1, 1).expand(8, 3, 40, 24).contiguous()


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("seed", range(8))
def test_the_share_is_that_of_the_pixels(how, seed):
    images, labels, others, share = mixed(IMAGES, LABELS, how, 1.0, (seed, 1))
    assert images.shape == IMAGES.shape
    assert images.dtype == torch.uint8
    assert torch.equal(labels, LABELS)
    assert sorted(others.tolist()) == LABELS.tolist()
    expected = share * labels * 30 + (1 - share) * others * 30
    np.testing.assert_allclose(images.float().mean((1, 2, 3)), expected, atol=0.51)
    if how != "mixup":
        own = images == IMAGES
        assert (own | (images == others.to(torch.uint8).view(8, 1, 1, 1) * 30)).all()
    if how == "cutmix_vertical":
        for image, label, other in zip(images, labels, others, strict=True):
            assert (image == image[:1, :1]).all(), "whole columns"
            row = image[0, 0].tolist()
            assert row == sorted(row, key=lambda value: value != int(label) * 30) or label == other
    assert not torch.equal(images, mixed(IMAGES, LABELS, how, 1.0, (seed, 2)).images)
    assert torch.equal(images, mixed(IMAGES, LABELS, how, 1.0, (seed, 1)).images)


@pytest.mark.parametrize("name", losses.Name.__args__)
def test_the_loss_is_that_of_both_targets(name):
    torch.manual_seed(0)
    net = torch.nn.Linear(12, 8)
    images, others, share = torch.randn(8, 12), LABELS.flip(0), torch.tensor(0.3)
    loss = losses.make(name, LABELS.numpy(), 8)
    phase = Phase("one", None, net, loss, list(net.parameters()), None, None, 1)
    step = Step(phase, torch.optim.SGD(net.parameters(), 0.0), torch.device("cpu"), torch.float32)
    step(images, LABELS, others, share)
    outputs = net(images)
    expected = 0.3 * loss(outputs, LABELS) + 0.7 * loss(outputs, others)
    assert step.mean(1) == pytest.approx(expected.item(), rel=1e-6)
    if name == "cross_entropy":
        soft = 0.3 * functional.one_hot(LABELS, 8) + 0.7 * functional.one_hot(others, 8)
        torch.testing.assert_close(expected, functional.cross_entropy(outputs, soft))
