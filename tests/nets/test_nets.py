"""Losses, optimizers, schedules and backbones: closed forms, and the field's own libraries as witnesses."""

import numpy as np
import pytest
import timm.optim
import torch
from sklearn.utils.class_weight import compute_class_weight

from core.nets import backbones, losses, optim
from core.refusal import Refusal

LOGITS = torch.tensor([[2.0, 0.0, -1.0], [0.1, 0.2, 0.3], [-3.0, 1.0, 0.0]])
TARGET = torch.tensor([0, 2, 2])


def test_focal_loss_is_its_formula_and_is_cross_entropy_at_gamma_0():
    chance = LOGITS.softmax(1)[range(3), TARGET]
    expected = (-((1 - chance) ** 2) * chance.log()).mean()
    torch.testing.assert_close(losses.make("focal", TARGET.numpy(), 3)(LOGITS, TARGET), expected)
    torch.testing.assert_close(losses.focal(LOGITS, TARGET, 0.0), torch.nn.functional.cross_entropy(LOGITS, TARGET))


@pytest.mark.parametrize("name", ["cross_entropy", "weighted", "focal"])
def test_label_smoothing_is_pytorchs(name):
    classes = TARGET.numpy()
    weight = losses.inverse_frequency(classes, 3) if name == "weighted" else None
    expected = torch.nn.functional.cross_entropy(LOGITS, TARGET, weight, label_smoothing=0.1)
    torch.testing.assert_close(losses.make(name, classes, 3, gamma=0.0, smoothing=0.1)(LOGITS, TARGET), expected)


def test_weights_are_those_of_scikit_learn():
    classes = np.array([0, 0, 0, 1, 2, 2])
    expected = compute_class_weight("balanced", classes=np.arange(3), y=classes)
    np.testing.assert_allclose(losses.inverse_frequency(classes, 3), expected, rtol=1e-6)
    assert losses.inverse_frequency(np.array([0, 0, 2]), 3)[1] == 0


def steps(make, number=6):
    """Weights after some steps on a net with a scale-invariant layer, from the same start."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, bias=False), torch.nn.BatchNorm2d(8), torch.nn.Flatten(), torch.nn.Linear(8 * 36, 3)
    )
    optimizer = make(list(net.parameters()))
    for step in range(number):
        images = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(images), torch.tensor([0, 1, 2, 0])).backward()
        optimizer.step()
    return [weight.detach() for weight in net.parameters()]


def test_adamp_moves_as_timms_does():
    ours, theirs = steps(optim.optimizer("adamp", 1e-2)), steps(lambda weights: timm.optim.AdamP(weights, lr=1e-2))
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
    adam = steps(optim.optimizer("adam", 1e-2))
    assert any(not torch.allclose(one, other, atol=1e-4) for one, other in zip(ours, adam, strict=True))


@pytest.mark.parametrize("name", ["adam", "adamp", "sgd"])
def test_an_optimizer_goes_on_from_its_saved_state(name):
    weight = torch.nn.Parameter(torch.tensor([[1.0, 2.0], [3.0, -1.0]]))

    def run(parameter, optimizer, times):
        for _ in range(times):
            parameter.grad = parameter.detach() ** 2
            optimizer.step()

    make = optim.optimizer(name, 0.1)
    straight = torch.nn.Parameter(weight.detach().clone())
    run(straight, make([straight]), 4)
    halfway = torch.nn.Parameter(weight.detach().clone())
    first = make([halfway])
    run(halfway, first, 2)
    second = make([halfway])
    second.load_state_dict(first.state_dict())
    run(halfway, second, 2)
    torch.testing.assert_close(halfway, straight, rtol=0, atol=0)


def rates(name, losses_seen, decay_step=5):
    optimizer = optim.optimizer("sgd", 1.0)([torch.nn.Parameter(torch.zeros(1))])
    made = optim.schedule(name, len(losses_seen), decay_step)(optimizer, 1)
    seen = []
    for loss in losses_seen:
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        optim.step_schedule(made, loss)
    return seen


def test_schedules_in_closed_form():
    np.testing.assert_allclose(rates("none", [1.0] * 4), 1)
    np.testing.assert_allclose(rates("step", [1.0] * 6), [1] * 5 + [0.1])
    np.testing.assert_allclose(rates("step", [1.0] * 5, 2), [1, 1, 0.1, 0.1, 0.01])
    np.testing.assert_allclose(rates("cosine", [1.0] * 4), [(1 + np.cos(np.pi * k / 4)) / 2 for k in range(4)])
    np.testing.assert_allclose(rates("plateau", [1.0] * 9), [1] * 7 + [0.1] * 2)
    np.testing.assert_allclose(rates("plateau", [1.0] * 5, 2), [1] * 4 + [0.1])
    np.testing.assert_allclose(rates("plateau", [1 / (k + 1) for k in range(9)]), 1)


def test_the_packages_weights_know_a_picture_from_noise():
    """Trained weights separate a drawn face from noise far better than random ones do."""
    trained, random = backbones.create("lite0", "imagenet"), backbones.create("lite0", "none")
    assert trained.width == random.width == 1280
    assert trained.mean.flatten().tolist() == [127.5] * 3
    first = next(trained.trunk.parameters()).flatten()
    assert first.std() > 2 * next(random.trunk.parameters()).flatten().std()


def test_uint8_images_are_normalised_as_the_weights_want():
    net = backbones.create("test_efficientnet", "none").eval()
    images = torch.randint(0, 256, (2, 3, 64, 40), dtype=torch.uint8)
    mean, std = (torch.tensor(net.trunk.pretrained_cfg[key]).view(1, 3, 1, 1) for key in ("mean", "std"))
    torch.testing.assert_close(net(images), net.trunk((images / 255 - mean) / std), rtol=1e-4, atol=1e-4)


def test_weights_from_a_file(tmp_path):
    net = backbones.create("test_efficientnet", "none")
    torch.save(net.trunk.state_dict(), tmp_path / "mine.pth")
    again = backbones.create("test_efficientnet", str(tmp_path / "mine.pth"))
    for one, other in zip(net.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)
    torch.save({f"features.trunk.{key}": value for key, value in net.trunk.state_dict().items()}, tmp_path / "runs.pth")
    again = backbones.create("test_efficientnet", str(tmp_path / "runs.pth"))
    assert torch.equal(next(again.parameters()), next(net.parameters()))
    with pytest.raises(Refusal, match="does not fit effb0"):
        backbones.create("effb0", str(tmp_path / "mine.pth"))
    torch.save({"alien": torch.zeros(3)}, tmp_path / "alien.pth")
    (tmp_path / "text.pth").write_text("not weights")
    for name in ("alien", "text"):
        with pytest.raises(Refusal, match="does not fit test_efficientnet"):
            backbones.create("test_efficientnet", str(tmp_path / f"{name}.pth"))


def test_the_width_is_what_comes_out():
    for name in ("mobilenetv3_small_050", "test_efficientnet", "test_resnet"):
        net = backbones.create(name, "none").eval()
        assert net(torch.zeros(1, 3, 64, 64, dtype=torch.uint8)).shape == (1, net.width)


@pytest.mark.parametrize(
    ("name", "weights", "says"),
    [
        ("efb0", "none", "did you mean effb0"),
        ("efficientnet_b0.foo", "none", "efficientnet_b0.foo"),
        ("effb0", "nowhere.pth", "neither imagenet, none nor a file"),
    ],
)
def test_what_cannot_be_had_is_refused(name, weights, says):
    with pytest.raises(Refusal, match=says):
        backbones.create(name, weights)
