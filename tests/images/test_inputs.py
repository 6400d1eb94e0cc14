"""The input path gives the pixels that the usual way gives, whoever makes them and however fast they are taken."""

import shutil
import time
from collections import Counter

import cv2
import numpy as np
import psutil
import pytest
import torch
from torch import nn

from core.data import competition, resample
from core.images import augment, loader, store
from core.images.decode import Framing
from core.nets import backbones
from core.people import make
from tests.benchmarks import inputs, peers, usual

pytestmark = pytest.mark.filterwarnings("ignore:The image decoding")  # torchvision's, to be replaced by TorchCodec's


@pytest.fixture
def mixed(data_dir, tmp_path):
    """Drawn people with every ending, and files as cameras and editors leave them: grey, with alpha, turned."""
    root = shutil.copytree(data_dir, tmp_path / "mixed")
    first, second, third, *_ = sorted(root.glob("train/images/*/normal.jpg"))
    image = cv2.imread(str(first))
    cv2.imwrite(str(first), image[:, :, 1])
    cv2.imwrite(str(second.with_suffix(".png")), np.dstack([image, np.full_like(image[:, :, 0], 255)]))
    second.unlink()
    turned = b"\xff\xe1\x00\x22Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    sideways = cv2.imencode(".jpg", np.rot90(image))[1].tobytes()
    third.write_bytes(sideways[:2] + turned + sideways[2:])
    return root


class Through(nn.Module):
    """A trunk that gives back what it is given."""

    num_features = 3

    def forward(self, images):
        return images


def both_ways(root, normalise):
    """Every training image, plain, as ((images, labels) of our batches, (images, labels) of the usual way's)."""
    table = competition.load(root)
    rows = resample.repeat(table.opened(store.open_store(table, Framing(usual.CROP))).train, "none")
    files = [str(root / file) for file in rows.column("file")]
    dataset = usual.Usual(files, rows.column("label"), np.zeros(len(rows), bool), normalise)
    ours = list(loader.Loader(rows, 8, augment.FINAL_RECIPE, "none", 0).epoch((0, 0, 0, 0)))
    theirs = list(usual.loader(dataset, 8, workers=0))
    return tuple([torch.cat(part) for part in zip(*way, strict=True)] for way in (ours, theirs))


def test_the_endings_are_mixed(mixed):
    endings = {file.rpartition(".")[2] for file in competition.load(mixed).train.column("file")}
    assert endings == {"jpg", "jpeg", "png", "JPG"}


def test_plain_rows_are_the_usual_pixels(mixed):
    ours, theirs = both_ways(mixed, normalise=False)
    assert ours[0].dtype == theirs[0].dtype == torch.uint8
    assert ours[0].shape == theirs[0].shape == (24 * 7, 3, 360, 200)
    same = [
        Counter((int(label), image.numpy().tobytes()) for image, label in zip(*way, strict=True))
        for way in (ours, theirs)
    ]
    assert same[0] == same[1]


def test_normalised_they_are_the_usual_tensors(mixed):
    features = backbones.Features(Through(), usual.MEAN, usual.STD)
    ours, theirs = both_ways(mixed, normalise=True)
    assert theirs[0].dtype == torch.float32
    # both shuffle: alike are those whose pixels sum to the same
    made = features(ours[0])
    sums = [way.double().sum((1, 2, 3)).argsort() for way in (made, theirs[0])]
    torch.testing.assert_close(made[sums[0]], theirs[0][sums[1]], rtol=1e-5, atol=1e-6)
    assert torch.equal(ours[1][sums[0]], theirs[1][sums[1]])


@pytest.fixture
def few(data_dir):
    """(files, labels) of a few training rows."""
    rows = competition.load(data_dir).train.take(np.arange(8))
    return [str(data_dir / file) for file in rows.column("file")], rows.column("label")


def by_sum(epoch):
    """Images and labels in an order that a shuffle does not change."""
    images, labels = (torch.cat(part) for part in zip(*epoch, strict=True))
    order = images.double().sum((1, 2, 3)).argsort()
    return images[order], labels[order]


def test_the_peers_give_the_usual_images(few):
    """Within a grey level: other decoders round otherwise."""
    plain, cpu = np.zeros(8, bool), torch.device("cpu")
    for peer, normalised in ((peers.timm_way, True), (peers.torchvision_way, False), (peers.on_device, False)):
        images, labels = by_sum(usual.loader(usual.Usual(*few, plain, normalised), 4, 0))
        theirs, their_labels = by_sum(peer(*few, plain, 4, 0, cpu)())
        assert theirs.dtype == images.dtype
        torch.testing.assert_close(theirs.float(), images.float(), rtol=0, atol=0.02 if normalised else 1)
        assert torch.equal(their_labels, labels)


@pytest.mark.parametrize("peer", [peers.timm_way, peers.torchvision_way, peers.on_device])
def test_the_peers_augment_what_they_are_told_to(few, peer):
    torch.manual_seed(0)
    cpu, way = torch.device("cpu"), np.arange(8) < 4
    plain = {image.numpy().tobytes() for images, _ in peer(*few, ~way & way, 4, 0, cpu)() for image in images}
    seen = [image.numpy().tobytes() in plain for images, _ in peer(*few, way, 4, 0, cpu)() for image in images]
    assert 4 <= sum(seen) < 8


def test_the_benchmark_runs_at_a_small_size(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("CACHE", "")
    make.draw_competition(make.Options(out=str(tmp_path / "few"), people=4, eval_people=1, elderly=0.4))
    small = {"data": str(tmp_path / "few"), "batch": 4, "workers": 1, "rounds": 1, "seconds": 0.01, "device": "cpu"}
    inputs.main(inputs.Options(**small))
    rates, parts = (
        [line.split(" | ") for line in text.splitlines() if line.startswith("| ")]
        for text in capsys.readouterr().out.split("\n\n")[:2]
    )
    assert [line[1] for line in rates[1:]] == [
        *("usual", "timm", "torchvision v2"),
        *("usual", "timm"),
        *("usual", "timm", "torchvision v2") * 2,
    ]
    assert all(float(line[at].replace(",", "")) > 0 for line in rates[1:] for at in (2, 3))
    for at in (1, 2):
        *each, whole, _ = (float(line[at].removesuffix(" |").split()[0]) for line in parts[1:])
        assert sum(each) == pytest.approx(whole, abs=5)


@pytest.mark.parametrize("workers", [1, 2])
def test_nothing_is_written_over_before_it_is_taken(data_dir, workers):
    """However far ahead the workers are, and when a batch is looked at only after the epoch."""
    table = competition.load(data_dir)
    rows = resample.repeat(table.opened(store.open_store(table, Framing(usual.CROP, 0.2))).train, "balance")
    alone, shared = (loader.Loader(rows, 4, augment.FINAL_RECIPE, "copies", number) for number in (0, workers))
    assert len(shared) > 2 * (workers * loader.AHEAD + 1)
    taken = []
    for made, _ in shared.epoch((0, 0, 0, 0)):
        time.sleep(0.01)
        taken.append(made)
    assert all(torch.equal(one, other) for one, (other, _) in zip(taken, alone.epoch((0, 0, 0, 0)), strict=True))


def test_an_epoch_that_is_given_up_leaves_no_worker(data_dir):
    table = competition.load(data_dir)
    rows = resample.repeat(table.opened(store.open_store(table, Framing(usual.CROP, 0.2))).train, "none")
    before = set(psutil.Process().children())
    epoch = loader.Loader(rows, 4, augment.FINAL_RECIPE, "all", 2).epoch((0, 0, 0, 0))
    next(epoch)
    assert len(set(psutil.Process().children()) - before) == 2
    del epoch
    assert not set(psutil.Process().children()) - before
