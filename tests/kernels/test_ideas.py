"""What each version is about, pinned; and every named choice taken for one step in every kernel that offers it."""

import shutil

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from core import labels, places
from core.flags import TAGS, PerTask, same
from core.images import augment
from core.launch import crossval
from core.nets import losses, optim
from core.recipe import build, parse
from core.refusal import Refusal
from core.runs import foldrun, reader
from core.training.kernel import load
from tests.conftest import KERNELS, PROJECT

IMAGES = torch.randint(0, 256, (4, 3, 64, 40), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 4, 9, 17])


def kernel(name):
    return load(PROJECT / f"kernels/{name}/run.py")


def net_of(name, **fields):
    torch.manual_seed(0)
    return kernel(name).Net(build(kernel(name).Recipe, {"backbone": "test_efficientnet", "weights": "none", **fields}))


def step(path, rows, **fields):
    """One step of every phase; returns how far the weights moved."""
    module = load(path)
    recipe = build(
        module.Recipe,
        {"backbone": "test_efficientnet", "weights": "none", "batch": 4, "workers": 0, "augment": "all", **fields},
    )
    torch.manual_seed(0)
    net = module.Net(recipe).train()
    before = [weight.detach().clone() for weight in net.parameters()]
    for phase in module.plan(net, rows, recipe):
        batch, label = next(phase.loader.epoch((0, 0, 0, 0)))
        optimizer = phase.optimizer(phase.parameters)
        schedule = phase.schedule(optimizer, len(phase.loader))
        loss = phase.loss(phase.forward(batch), label)
        loss.backward()
        optimizer.step()
        optim.step_schedule(schedule, loss.item())
        assert torch.isfinite(loss)
    return sum((new.detach() - old).abs().sum().item() for new, old in zip(net.parameters(), before, strict=True))


CHOICES = [
    *(("loss", name) for name in losses.Name.__args__),
    *(("optimizer", name) for name in optim.Name.__args__),
    *(("schedule", name) for name in optim.Schedule.__args__),
    *(("augmentations", name) for name in augment.NAMES),
    *(("backbone", name) for name in TAGS if name != "effb7"),  # which takes ten seconds for what effb4 shows
    ("label_smoothing", 0.1),
]


@pytest.mark.parametrize(("field", "value"), CHOICES, ids=lambda part: str(part))
@pytest.mark.parametrize("path", KERNELS, ids=lambda path: path.parent.name)
def test_every_choice_takes_a_step(path, rows, field, value):
    value = [value] if field == "augmentations" else value
    assert step(path, rows, **{field: value}) > 0


def test_v1_is_one_layer_of_18():
    net = net_of("v1_single")
    assert net(IMAGES).shape == (4, 18)
    assert net.head.out_features == 18


def test_v2_heads_get_no_loss_of_their_own(rows):
    net = net_of("v2_fusion")
    module = kernel("v2_fusion")
    (phase,) = module.plan(net, rows, module.Recipe(batch=4, workers=0))
    outputs = net(IMAGES)
    assert outputs.shape == (4, 18)
    torch.testing.assert_close(phase.loss(outputs, LABELS), cross_entropy(outputs, LABELS))
    assert net.fusion.in_features == 8
    with torch.no_grad():
        net.fusion.weight.zero_()
    phase.loss(net(IMAGES), LABELS).backward()
    assert all(not weight.grad.any() for weight in net.heads.parameters()), "without the fusion nothing reaches a head"


def test_v3_a_stage_leaves_other_heads_alone_and_moves_the_backbone(rows):
    module, net = kernel("v3_sequential"), net_of("v3_sequential").train()
    first, second, third = module.plan(net, rows, module.Recipe(batch=4, workers=0, lr=1e-2))
    assert [phase.name for phase in (first, second, third)] == ["mask", "gender", "age"]
    before = {name: weight.detach().clone() for name, weight in net.named_parameters()}
    optimizer = second.optimizer(second.parameters)
    second.loss(second.forward(IMAGES), LABELS).backward()
    optimizer.step()
    moved = {name.split(".")[0] for name, weight in net.named_parameters() if not torch.equal(weight, before[name])}
    assert moved == {"features", "gender"}


def test_v3_answers_one_head_and_takes_any_order(rows):
    module, net = kernel("v3_sequential"), net_of("v3_sequential")
    assert [net(IMAGES, task).shape[1] for task in labels.TASKS] == [3, 2, 3]
    plan = module.plan(net, rows, module.Recipe(batch=4, workers=0, order=("age", "mask", "gender")))
    assert [phase.name for phase in plan] == ["age", "mask", "gender"]
    outputs = torch.randn(4, 3)
    torch.testing.assert_close(plan[0].loss(outputs, LABELS), cross_entropy(outputs, LABELS % 3))
    with pytest.raises(Refusal, match="--order mask,age: must be mask, gender and age, once each"):
        module.Recipe(order=("mask", "age"))


def test_v4_models_share_no_parameter_and_train_apart(rows):
    module, net = kernel("v4_separate"), net_of("v4_separate")
    plan = module.plan(net, rows, build(module.Recipe, {"backbone": "test_efficientnet", "batch": 4, "workers": 0}))
    owned = [{id(weight) for weight in phase.parameters} for phase in plan]
    assert sum(map(len, owned)) == len(set().union(*owned)) == len(list(net.parameters()))
    plan[0].loss(plan[0].forward(IMAGES), LABELS).backward()
    assert {name.split(".")[0] for name, weight in net.named_parameters() if weight.grad is not None} == {"mask"}


@pytest.mark.parametrize(
    ("field", "text", "found"),
    [
        ("backbone", "effb0", ["effb0"] * 3),
        ("backbone", "mask=lite0,age=resnext50", ["lite0", "effb0", "resnext50"]),
        ("loss", "age=focal", ["cross_entropy", "cross_entropy", "focal"]),
        ("lr", "gender=1e-3", [1e-4, 1e-3, 1e-4]),
        ("augmentations", "flip,clahe", [("flip", "clahe")] * 3),
        ("epochs", "age=6", [12, 12, 6]),
        ("age-drop", "age=57+59", [(), (), (57, 59)]),
        ("backbone", "age=ResNeXt50", ["effb0", "effb0", "resnext50"]),
        ("augmentations", "age=flip+clahe,mask=none,gender=blur", [(), ("blur",), ("flip", "clahe")]),
    ],
)
def test_v4_reads_a_value_for_each_task(field, text, found):
    recipe = parse(kernel("v4_separate").Recipe, [f"--{field}", text])
    assert list(getattr(recipe, field.replace("-", "_"))) == found


def test_v4_trains_each_model_on_rows_of_its_own(rows):
    fields = {
        "age_old": {"mask": 60, "gender": 60, "age": 58},
        "resample": {"mask": "none", "gender": "none", "age": "elderly"},
        "augment": {"mask": "none", "gender": "all", "age": "copies"},
        "epochs": {"mask": 1, "gender": 2, "age": 3},
        "loss": {"mask": "cross_entropy", "gender": "focal", "age": "focal"},
        "gamma": {"mask": 2.0, "gender": 0.0001, "age": 5.0},
    }
    module = kernel("v4_separate")
    recipe = build(module.Recipe, {"backbone": "test_efficientnet", "batch": 4, "workers": 0, **fields})
    originals = rows.take(~rows.column("copy"))
    mask, gender, age = module.plan(net_of("v4_separate"), originals, recipe)
    assert [phase.epochs for phase in (mask, gender, age)] == [1, 2, 3]
    assert len(mask.loader.rows) == len(gender.loader.rows) == len(originals) < len(age.loader.rows)
    np.testing.assert_array_equal(age.loader.rows.column("label") % 3 == 2, age.loader.rows.column("age") >= 58)
    outputs, target = torch.randn(4, 2), labels.split(LABELS)[1]
    torch.testing.assert_close(gender.loss(outputs, LABELS), cross_entropy(outputs, target), rtol=1e-3, atol=1e-3)


def test_v4_reads_the_flags_of_the_others_and_its_own():
    flags = "--backbone mask=effb0,age=resnext50 --lr 1e-3 --augmentations flip,clahe --loss age=focal --optimizer sgd"
    asked = parse(kernel("v4_separate").Recipe, flags.split())
    assert asked.lr == same(1e-3)
    assert asked.augmentations == same(("flip", "clahe"))
    assert asked.backbone == PerTask("effb0", "effb0", "resnext50")
    alone = parse(kernel("v4_separate").Recipe, ["--tasks", "age", "--reuse", "v4_separate/effb0"])
    assert alone.tasks == ("age",)
    with pytest.raises(Refusal, match="must be one of"):
        parse(kernel("v4_separate").Recipe, ["--optimizer", "age=adm"])


@pytest.mark.parametrize("text", ["", "1", "1,2", "[[1]]", "[1]", "{a:1}", "a=b=c", "mask,,age", "nan", "(", "é"])
@pytest.mark.parametrize("path", KERNELS, ids=lambda path: path.parent.name)
def test_no_flag_of_its_own_takes_a_kernel_down(path, text):
    """A kernel that reads flags itself must refuse what Fire makes of them: numbers, lists, dictionaries."""
    from dataclasses import fields

    kind = load(path).Recipe
    for field in fields(kind):
        try:
            parse(kind, [f"--{field.name}", text])
        except Refusal:
            pass


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("--loss age=focl", "--loss focl: must be one of"),
        ("--loss ages=focal", "--loss ages=focal: name mask, gender, age once each"),
        ("--loss age=focal,age=weighted", "name mask, gender, age once each"),
        ("--loss", "--loss needs a value"),
        ("--lr age=fast", "--lr fast: must be a number"),
        ("--lr age=0", "must be above 0"),
        ("--tasks age", "--tasks and --reuse go together"),
        ("--reuse v4_separate/x", "--tasks and --reuse go together"),
    ],
)
def test_v4_refuses_before_anything_runs(line, says):
    with pytest.raises(Refusal, match=says):
        parse(kernel("v4_separate").Recipe, line.split())


def test_v4_reuse_keeps_mask_and_gender_and_trains_age_alone(train):
    path = PROJECT / "kernels/v4_separate/run.py"
    whole = train(path, name="whole")
    again = train(path, "--tasks", "age", "--reuse", "v4_separate/whole", "--lr", "1e-2", name="again")
    for part in ("oof", "test"):
        old, new = (labels.marginals(getattr(run, part).astype(np.float64)) for run in (whole, again))
        np.testing.assert_allclose(new[0], old[0], atol=1e-6)
        np.testing.assert_allclose(new[1], old[1], atol=1e-6)
        assert np.abs(new[2] - old[2]).max() > 1e-4
    for fold in (0, 1):  # the same fold's, not the mean of the folds
        old, new = (labels.marginals(reader.fold_test(run, fold).astype(np.float64)) for run in (whole, again))
        np.testing.assert_allclose(new[0], old[0], atol=1e-6)
    (again.folder / "run.json").unlink()
    train(path, "--seed", "1", "--force", name="whole")
    with pytest.raises(Refusal, match="an unfinished run with another state of the run that --reuse names"):
        train(path, "--tasks", "age", "--reuse", "v4_separate/whole", "--lr", "1e-2", name="again")
    with pytest.raises(Refusal, match="held out other rows than this run's"):
        train(path, "--tasks", "age", "--reuse", "v4_separate/whole", "--folds", "3", name="other")
    with pytest.raises(Refusal, match="v4_separate/nowhere: is no run"):
        train(path, "--tasks", "age", "--reuse", "v4_separate/nowhere", name="none")
    assert not (places.runs() / "v4_separate/other").exists()


def test_v4_reuse_watches_with_what_it_reuses(train):
    """The last epoch's scores are those of the run: mask and gender are the reused ones, not all classes alike."""
    train(PROJECT / "kernels/v4_separate/run.py", name="base")
    words = ("--tasks", "age", "--reuse", "v4_separate/base")
    alone = train(PROJECT / "kernels/v4_separate/run.py", *words, name="alone")
    for number, fold in enumerate(alone.manifest["folds"]):
        *_, last = foldrun.read_log(alone.folder / f"folds/{number}")
        assert last["macro_f1"] == fold["macro_f1"]
        rows = alone.rows["fold"] == number
        held = foldrun.held_out(alone.oof[rows], alone.rows["label"][rows].to_numpy())
        assert {name: last[name] for name in held} == pytest.approx(held, abs=1e-6)


def test_v4_reuse_asks_for_the_same_test_images_in_the_same_order(train, data_dir, tmp_path):
    from tests.conftest import tiny

    path = PROJECT / "kernels/v4_separate/run.py"
    train(path, name="whole")
    other = shutil.copytree(data_dir, tmp_path / "other")
    head, *asked = (other / "eval/info.csv").read_text().splitlines()
    (other / "eval/info.csv").write_text("\n".join([head, *reversed(asked)]))
    words = tiny(other, "--tasks", "age", "--reuse", "v4_separate/whole", "--name", "turned")
    with pytest.raises(Refusal, match="v4_separate/whole: was trained on other images"):
        crossval.train(str(path), parse(kernel("v4_separate").Recipe, words))


def test_v5_each_head_alone_moves_the_backbone():
    net = net_of("v5_multitask")
    for head in range(3):
        net.zero_grad()
        cross_entropy(net(IMAGES)[head], torch.tensor([0, 1, 0, 1])).backward()
        assert next(net.features.parameters()).grad.abs().sum() > 0


def test_v5_is_one_phase_whose_loss_is_the_sum_of_its_heads(rows):
    module, net = kernel("v5_multitask"), net_of("v5_multitask")
    (phase,) = module.plan(net, rows, module.Recipe(batch=4, workers=0))
    assert {id(weight) for weight in phase.parameters} == {id(weight) for weight in net.parameters()}
    outputs = [torch.randn(4, size) for size in (3, 2, 3)]
    parts = [cross_entropy(logits, part) for logits, part in zip(outputs, labels.split(LABELS), strict=True)]
    torch.testing.assert_close(phase.loss(outputs, LABELS), sum(parts))


@pytest.mark.parametrize(("age", "group"), [(18, 0), (29, 0), (30, 1), (57, 1), (58, 2), (90, 2)])
def test_v6_cuts_years_at_the_boundaries_of_the_recipe(age, group, monkeypatch):
    module, net = kernel("v6_years"), net_of("v6_years", age_old=58)
    sure = torch.where(torch.tensor(module.YEARS) <= age, 20.0, -20.0)[None]
    monkeypatch.setattr(net, "forward", lambda images: [torch.zeros(1, 3), torch.zeros(1, 2), sure])
    probs = module.probs(net, IMAGES[:1])
    torch.testing.assert_close(labels.marginals(probs)[2][0], torch.eye(3)[group], atol=1e-6, rtol=0)


def test_v6_refuses_a_boundary_that_it_does_not_learn():
    with pytest.raises(Refusal, match="--age-old 80: v6 learns the years 15 to 74 only"):
        net_of("v6_years", age_old=80)


def test_v6_learns_years_whatever_group_the_rows_are_called_by(rows):
    module, net = kernel("v6_years"), net_of("v6_years")
    (phase,) = module.plan(net, rows, module.Recipe(batch=4, workers=0))
    _, target = next(phase.loader.epoch((0, 0, 0, 0)))
    assert set(map(tuple, target.tolist())) <= set(zip(rows.column("label"), rows.column("age"), strict=True))
    outputs = [torch.randn(4, size) for size in (3, 2, len(module.YEARS))]
    age = target[:, 1].double()
    older = torch.stack([age >= year for year in module.YEARS], 1).double()
    p = outputs[2].double().sigmoid()
    by_years = -(older * p.log() + (1 - older) * (1 - p).log()).mean()
    mask, gender, _ = labels.split(target[:, 0])
    classes = cross_entropy(outputs[0], mask) + cross_entropy(outputs[1], gender)
    torch.testing.assert_close(phase.loss(outputs, target), (classes + module.AGE_WEIGHT * by_years).float())
    called_otherwise = target - torch.tensor([1, 0]) * (target[:, :1] % 3 > 0)
    torch.testing.assert_close(phase.loss(outputs, called_otherwise), phase.loss(outputs, target))


@pytest.mark.parametrize("name", ["v3_sequential", "v4_separate", "v5_multitask", "v6_years"])
def test_probabilities_are_the_product_of_the_heads(name):
    module, net = kernel(name), net_of(name).eval()
    with torch.inference_mode():
        probs = module.probs(net, IMAGES)
    mask, gender, age = labels.marginals(probs)
    torch.testing.assert_close(labels.joint(mask, gender, age), probs)
    torch.testing.assert_close(probs.sum(1), torch.ones(4))
