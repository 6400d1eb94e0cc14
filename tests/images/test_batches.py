"""Pixels: the store equals the usual way, notices changes, and batches depend on the key alone."""

import shutil
import struct
import threading
import zlib

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from core.data import age_filter, competition, resample
from core.images import augment, decode, loader, store
from core.images.decode import Framing
from core.refusal import Refusal

NAMES = augment.FINAL_RECIPE


@pytest.fixture
def copy(data_dir, tmp_path, monkeypatch):
    monkeypatch.setenv("CACHE", str(tmp_path / "cache"))
    return shutil.copytree(data_dir, tmp_path / "copy")


def opened(root, crop=(360, 200), scale=0.2, whole=False):
    table = competition.load(root)
    return table.opened(store.open_store(table, Framing(crop, scale, whole)))


def usual_way(path, crop, scale):
    """imread, centre crop, area resize: written plainly, as a reference."""
    image = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    top, left = (image.shape[0] - crop[0]) // 2, (image.shape[1] - crop[1]) // 2
    image = image[top : top + crop[0], left : left + crop[1]]
    return cv2.resize(image, (round(crop[1] * scale), round(crop[0] * scale)), interpolation=cv2.INTER_AREA)


@pytest.mark.parametrize(("crop", "scale"), [((360, 200), 1.0), ((360, 200), 0.2), ((301, 199), 0.5)])
def test_the_store_holds_what_the_usual_way_gives(data_dir, crop, scale):
    table = opened(data_dir, crop, scale)
    for rows in (table.train, table.test):
        for at in (0, len(rows) // 2, len(rows) - 1):
            expected = usual_way(table.root / rows.column("file")[at], crop, scale)
            np.testing.assert_array_equal(rows.store.centre_crops(rows.column("image_index")[[at]])[0], expected)


def test_a_whole_frame_store_gives_the_same_centre_crops(data_dir):
    crop, whole = opened(data_dir, scale=1.0), opened(data_dir, scale=1.0, whole=True)
    which = np.arange(20)
    assert whole.train.store.array.shape[1:3] == (512, 384)
    np.testing.assert_array_equal(whole.train.store.centre_crops(which), crop.train.store.centre_crops(which))


def test_held_rows_reach_the_net_exactly_as_they_are(data_dir):
    rows = opened(data_dir).test
    seen = torch.cat(list(loader.in_order(rows, 5))).permute(0, 2, 3, 1).numpy()
    expected = [usual_way(data_dir / file, (360, 200), 0.2) for file in rows.column("file")]
    np.testing.assert_array_equal(seen, expected)


@pytest.mark.parametrize("ending", [".jpg", ".png"])
@pytest.mark.parametrize("part", [0.0, 0.5, 0.98])
def test_a_truncated_image_is_named(copy, ending, part):
    victim = copy / competition.load(copy).train.column("file")[9]
    whole = cv2.imencode(ending, cv2.imread(str(victim)))[1].tobytes()
    victim.unlink()
    victim.with_suffix(ending).write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(Refusal, match=victim.with_suffix(ending).name) as refused:
        opened(copy)
    assert "\n" not in str(refused.value)
    assert not list((copy.parent / "cache").rglob("pixels-*"))


def test_bytes_after_the_end_mark_do_no_harm(copy):
    victim = copy / competition.load(copy).train.column("file")[9]
    expected = decode.decode(victim)
    victim.write_bytes(victim.read_bytes() + b"\0" * 10)
    np.testing.assert_array_equal(decode.decode(victim), expected)
    victim.write_bytes(victim.read_bytes() + b"trailing words")
    assert decode.decode(victim).shape == expected.shape


def encoded(ending, image, *words):
    return cv2.imencode(ending, image, *words)[1].tobytes()


def huge_png():
    """A header, with its checksum, that promises 70,000 by 70,000 pixels."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", 70000, 70000, 8, 2, 0, 0, 0)
    return decode.PNG_START + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk)) + b"x"


def in_the_middle(data, number=200):
    return data[: len(data) // 2] + bytes(k % 250 for k in range(number)) + data[len(data) // 2 + number :]


DAMAGES = {
    "half a JPEG with an end mark": (".jpg", lambda jpeg, png: jpeg[: len(jpeg) // 2] + decode.JPEG_END),
    "other bytes within a JPEG": (".jpg", lambda jpeg, png: in_the_middle(jpeg)),
    "other bytes within a PNG": (".png", lambda jpeg, png: in_the_middle(png)),
    "a PNG that promises too much": (".png", lambda jpeg, png: huge_png()),
    "a PNG of 20,000 by 20,000": (".png", lambda jpeg, png: encoded(".png", np.zeros((20000, 20000), np.uint8)) + b"x"),
    "no picture": (".png", lambda jpeg, png: b"words"),
    "32 bits": (".png", lambda jpeg, png: tiff(np.float32)),
}


def tiff(dtype):
    return encoded(".tiff", np.full((512, 384), 300, dtype))


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_that_decodes_is_named(copy, name):
    """What a decoder only warns of would be trained on, grey: a file is whole, or is refused by its name."""
    victim = copy / competition.load(copy).train.column("file")[9]
    ending, damage = DAMAGES[name]
    image = cv2.imread(str(victim))
    victim.unlink()
    victim = victim.with_suffix(ending)
    victim.write_bytes(damage(encoded(".jpg", image), encoded(".png", image)))
    with pytest.raises(Refusal, match=f"{victim.name}: cannot be decoded whole") as refused:
        decode.decode(victim)
    assert "\n" not in str(refused.value)


def test_hidden_colours_below_transparent_pixels_are_not_used(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (60, 40, 4), np.uint8)
    image[:, :20, 3], image[:, 20:, 3] = 0, 255
    seen = []
    for hidden in (7, 200):
        image[:, :20, :3] = hidden
        (tmp_path / "a.png").write_bytes(encoded(".png", image))
        seen.append(decode.decode(tmp_path / "a.png"))
    np.testing.assert_array_equal(*seen)
    assert (seen[0][:, :20] == 255).all()
    np.testing.assert_array_equal(seen[0][:, 20:], image[:, 20:, 2::-1])


def test_sixteen_bits_are_scaled_not_clipped(tmp_path):
    (tmp_path / "a.png").write_bytes(encoded(".png", np.full((60, 40), 128 * 257, np.uint16)))
    assert (decode.decode(tmp_path / "a.png") == 128).all()


def test_a_picture_on_its_side_is_turned(tmp_path):
    upright = np.random.default_rng(0).integers(0, 256, (60, 40, 3), np.uint8)
    for data in (Image.fromarray(upright), Image.fromarray(np.rot90(upright).copy())):
        exif = Image.Exif()
        exif[0x0112] = 1 if data.size == (40, 60) else 6
        data.save(tmp_path / f"{data.size[0]}.png", exif=exif)
        data.save(tmp_path / f"{data.size[0]}.jpg", exif=exif, quality=95)
    for more in (b"", b"more"):
        (tmp_path / "60.png").write_bytes((tmp_path / "60.png").read_bytes() + more)
        np.testing.assert_array_equal(decode.decode(tmp_path / "40.png"), decode.decode(tmp_path / "60.png"))
        assert decode.decode(tmp_path / "60.jpg").shape == (60, 40, 3)


def test_a_whole_jpeg_is_opencvs_byte_for_byte(data_dir):
    for file in competition.load(data_dir).train.column("file")[:20]:
        expected = cv2.imdecode(np.fromfile(data_dir / file, np.uint8), cv2.IMREAD_COLOR_RGB)
        np.testing.assert_array_equal(decode.decode(data_dir / file), expected)


def test_decoding_that_is_stopped_leaves_no_thread(data_dir, monkeypatch, tmp_path):
    """An interpreter that ends while its threads decode aborts."""
    monkeypatch.setenv("CACHE", str(tmp_path))
    monkeypatch.setattr(store, "CHUNK", 1)

    class Stopped:
        def __init__(self, **_):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def update(self, _):
            raise KeyboardInterrupt

    monkeypatch.setattr("tqdm.tqdm", Stopped)
    with pytest.raises(KeyboardInterrupt):
        opened(data_dir)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("decode")]
    assert not list(tmp_path.rglob("*.building"))


def test_a_crop_larger_than_the_frame_is_refused(copy):
    with pytest.raises(Refusal, match="smaller than the crop 600x200"):
        opened(copy, crop=(600, 200))


def batches(root, augmented="copies", workers=0, batch=16):
    rows = resample.repeat(age_filter.apply(opened(root).train, old=58), "balance")
    return loader.Loader(rows, batch, NAMES, augmented, workers)


def test_the_number_of_workers_changes_nothing(data_dir):
    alone, shared = (list(batches(data_dir, "all", workers).epoch((0, 1, 2, 3))) for workers in (0, 2))
    assert all(torch.equal(a[0], b[0]) and torch.equal(a[1], b[1]) for a, b in zip(alone, shared, strict=True))


@pytest.mark.parametrize("place", range(4))
def test_seed_fold_phase_and_epoch_each_change_what_is_drawn(data_dir, place):
    key = [0, 0, 0, 0]
    first = next(batches(data_dir, "all").epoch(tuple(key)))[0]
    key[place] = 1
    assert not torch.equal(first, next(batches(data_dir, "all").epoch(tuple(key)))[0])


def test_only_copies_are_augmented_and_every_batch_is_full(data_dir):
    made = batches(data_dir)
    pixel, copy = made.rows.column("image_index"), made.rows.column("copy")
    plain = {made.rows.store.array[at].tobytes() for at in pixel[~copy]}
    assert copy.sum() > 8
    known = seen = 0
    for batch, labels in made.epoch((0, 0, 0, 0)):
        assert batch.shape == (16, 3, 72, 40)
        assert batch.is_contiguous(memory_format=torch.channels_last)
        assert len(labels) == 16
        known += sum(image.tobytes() in plain for image in batch.permute(0, 2, 3, 1).numpy())
        seen += 16
    assert seen == len(made) * 16
    assert (~copy).sum() - 16 < known < seen


def test_nobody_is_augmented_when_asked_for_none(data_dir):
    made = batches(data_dir, "none")
    plain = {image.tobytes() for image in made.rows.store.array}
    assert all(
        image.tobytes() in plain for batch, _ in made.epoch((0, 0, 0, 0)) for image in batch.permute(0, 2, 3, 1).numpy()
    )


def test_a_batch_larger_than_the_fold_is_refused(data_dir):
    with pytest.raises(Refusal, match="--batch 10000"):
        batches(data_dir, batch=10_000)


@pytest.mark.parametrize("name", augment.NAMES)
def test_each_augmentation_gives_the_nets_size_and_follows_its_seed(data_dir, name):
    frame = np.ascontiguousarray(opened(data_dir, scale=1.0, whole=True).train.store.array[0])
    size = (360, 200)
    image = frame if name == "random_crop" else np.ascontiguousarray(frame[decode.centre_crop(frame.shape, size)])
    made = augment.pipeline((name,), size)
    drawn = [augment.apply(made, image, seed) for seed in range(8)]
    assert all(each.shape == (*size, 3) and each.dtype == np.uint8 for each in drawn)
    for seed, each in enumerate(drawn):
        np.testing.assert_array_equal(augment.apply(made, image, seed), each)
    if name == "center_crop":
        assert all((each == image).all() for each in drawn)
    else:
        assert any((each != drawn[0]).any() for each in drawn)


def test_rotation_turns_every_image():
    """As the report's did; the library's usual probability would leave half of them as they are."""
    image = np.random.default_rng(0).integers(0, 256, (72, 40, 3), np.uint8)
    turn = augment.pipeline(("rotate",), (72, 40))
    turned = [augment.apply(turn, image, seed) for seed in range(50)]
    assert sum(np.array_equal(each, image) for each in turned) <= 2  # less than a degree may move nothing


def test_augmentations_happen_independently_of_each_other():
    image = np.random.default_rng(0).integers(50, 200, (36, 20, 3), np.uint8)
    both, one = (augment.pipeline(names, (36, 20)) for names in (("flip", "flip"), ("flip",)))
    flipped = [[(augment.apply(made, image, seed) != image).any() for seed in range(400)] for made in (both, one)]
    # two flips that happen together are none
    assert [160 < sum(each) < 240 for each in flipped] == [True, True]


def test_random_crops_are_windows_of_the_frame_and_differ(data_dir):
    rows = resample.repeat(opened(data_dir, scale=0.2, whole=True).train, "none")
    made = loader.Loader(rows, 8, ("random_crop",), "all", 0)
    crops = next(made.epoch((0, 0, 0, 0)))[0].permute(0, 2, 3, 1).numpy()
    assert crops.shape == (8, 72, 40, 3)
    windows = np.lib.stride_tricks.sliding_window_view(rows.store.array, (72, 40), axis=(1, 2))
    found = [np.argwhere(windows[..., 0, 0][:, :, :, 0] == crop[0, 0, 0]) for crop in crops]
    assert all(
        any((rows.store.array[n, top : top + 72, left : left + 40] == crop).all() for n, top, left in places)
        for crop, places in zip(crops, found, strict=True)
    )


@pytest.mark.parametrize("name", ["fog", "clahe", "shift_scale_rotate"])
@pytest.mark.parametrize("shape", [(360, 200), (144, 80), (72, 41)])
def test_what_is_made_faster_is_the_librarys_byte_for_byte(name, shape):
    import albumentations

    ours = augment.pipeline((name,), shape)
    (fast,) = ours.transforms
    fast.p = 1.0
    slow = getattr(albumentations, type(fast).__name__)
    assert slow is not type(fast)
    theirs = albumentations.Compose([slow(**fast.get_transform_init_args())], strict=True)
    generator = np.random.default_rng(0)
    noise = generator.integers(0, 256, (*shape, 3), np.uint8)
    coarse = np.kron(generator.integers(0, 256, (9, 5, 3)), np.ones((40, 40, 1)))[: shape[0], : shape[1]].astype(
        np.uint8
    )
    for image in (noise, coarse, np.zeros_like(noise), np.full_like(noise, 255)):
        for seed in range(6):
            made = augment.apply(ours, image.copy(), seed)
            np.testing.assert_array_equal(made, augment.apply(theirs, image.copy(), seed))
            assert made.shape == image.shape
            assert (made != image).any() or image is not noise


def test_every_lab_colour_has_the_rgb_that_opencv_gives_it():
    from core.images import fast_transforms

    for lightness in range(0, 256, 5):
        lab = np.full((256, 256, 3), lightness, np.uint8)
        lab[..., 1], lab[..., 2] = np.meshgrid(np.arange(256), np.arange(256))
        found = fast_transforms.rgb_of_lab().view(np.uint8).reshape(256, 256, 256, 4)[:, :, lightness]
        np.testing.assert_array_equal(found[..., :3], cv2.cvtColor(lab, cv2.COLOR_LAB2RGB))
        assert (found[..., 3] == 255).all()
