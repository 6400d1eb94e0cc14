"""The parts of campaign.py that kill nothing: bad inputs, damaged files, full disks, and two of everything at once."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.benchmarks.campaign import PROJECT, Place, Tried, refused

V5 = "v5_multitask"
LOOK = ["-m", "core.launch.predict", f"{V5}/one", "--device", "cpu"]
#: Words after a kernel's command, and what must be said.
FLAGS = {
    "--lr abc": "--lr abc",
    "--lr -1": "--lr -1",
    "--lr inf": "--lr inf",
    "--epochs 0": "--epochs 0",
    "--epochs 1.5": "--epochs 1.5",
    "--epochs": "--epochs",
    "--epochz 3": "--epochz",
    "--epochs=3 --epochs=4": "--epochs",
    "--folds 9999": "folds",
    "--folds -1": "--folds -1",
    "--batch 0": "--batch 0",
    "--batch 100000": "--batch",
    "--scale 2": "--scale 2",
    "--crop 0,0": "--crop",
    "--crop 9999,9999": "crop",
    "--crop 3": "--crop",
    "--loss hinge": "--loss hinge",
    "--schedule weekly": "--schedule weekly",
    "--augmentations flip,snow": "snow",
    "--age-old x": "--age-old",
    "--age-young 70": "age",
    "--backbone nope": "nope",
    "--weights /nowhere.pth": "/nowhere.pth",
    "--device tpu": "--device tpu",
    "--device cuda:7": "cuda:7",
    "--fix-labels /nowhere.csv": "/nowhere.csv",
    "--cluster nowhere": "--cluster",
    "--name ../up": "--name ../up",
    "--name .hidden": "--name",
    "--seed -1": "--seed -1",
    "--force maybe": "--force",
    "--gamma 0 --loss focal": "--gamma",
    "--label-smoothing 1": "--label-smoothing",
    "--hours -1": "--hours",
    "--ema 1": "--ema",
    "word": "word",
}
#: Commands that are no kernel's, and what must be said.
COMMANDS = {
    "-m ensembles.voting": "needs",
    "-m ensembles.voting nowhere": "nowhere",
    "-m ensembles.voting open('x') --name x": "cannot vote with",
    "-m ensembles.voting run('k/none') --name x": "k/none",
    "-m ensembles.voting soft() --name x": "members",
    "-m submissions.compare nowhere": "nowhere",
    "-m submissions.compare.leaderboard nowhere --public-f1 0.5": "nowhere",
    "-m submissions.compare.leaderboard one --public-f1 2": "2",
    "-m core.reports.audit v5_multitask/none": "none",
    "-m core.reports.listing diff a b": "a",
    "-m core.launch.predict v5_multitask/none --images . --out x.csv": "none",
    "-m core.launch.sweep /nowhere.csv": "/nowhere.csv",
    "-m core.score /nowhere.csv /nowhere.csv": "/nowhere.csv",
    "-m core.kaggle push": "push",
}


def _line(path: Path, change: Callable[[list[str]], list[str]]) -> None:
    path.write_text("\n".join(change(path.read_text().splitlines())) + "\n")


def _folder(data: Path) -> Path:
    return sorted((data / "train/images").iterdir())[0]


def _photograph(data: Path) -> Path:
    return sorted(_folder(data).glob("normal.*"))[0]


#: What is done to a copy of the data, and what must be said, in a refusal or a note.
DATA: dict[str, tuple[Callable[[Path], object], str]] = {
    "no train.csv": (lambda d: (d / "train/train.csv").unlink(), "train.csv"),
    "an empty train.csv": (lambda d: (d / "train/train.csv").write_bytes(b""), "train.csv"),
    "train.csv as cp949": (lambda d: (d / "train/train.csv").write_bytes("id,확인\n".encode("cp949")), "UTF-8"),
    "a person twice": (lambda d: _line(d / "train/train.csv", lambda x: [*x, x[1]]), "train.csv"),
    "an age of 400": (lambda d: _line(d / "train/train.csv", lambda x: [*x[:1], x[1].replace(",Asian,", ",Asian,4"), *x[2:]]), "age"),
    "half of train.csv": (lambda d: _line(d / "train/train.csv", lambda x: x[:9]), "not used"),
    "half of info.csv": (lambda d: _line(d / "eval/info.csv", lambda x: x[:9]), "not used"),
    "no info.csv": (lambda d: (d / "eval/info.csv").unlink(), "info.csv"),
    "a folder gone": (lambda d: shutil.rmtree(_folder(d)), "is not there"),
    "a photograph gone": (lambda d: _photograph(d).unlink(), "seven"),
    "a photograph cut": (lambda d: _photograph(d).write_bytes(_photograph(d).read_bytes()[:3000]), "normal"),
    "a photograph of zeros": (lambda d: _photograph(d).write_bytes(bytes(5000)), "normal"),
    "a photograph empty": (lambda d: _photograph(d).write_bytes(b""), "normal"),
    "a link to nothing": (lambda d: (_photograph(d).unlink(), (_folder(d) / "normal.jpg").symlink_to("gone")), "normal"),
}  # fmt: skip


def inputs(place: Place) -> Tried:
    """Sixty bad inputs."""
    for words, says in FLAGS.items():
        yield words, refused(place.run(*place.kernel(V5, "--name", "bad")[:3], *_own(words)), says)
    for words, says in COMMANDS.items():
        yield words, refused(place.run(*words.split()), says)
    for name, (harm, says) in DATA.items():
        data = shutil.copytree(place.data, place.folder / "harmed", symlinks=True)
        harm(data)
        yield name, refused(place.run(*place.kernel(V5, "--name", "bad", "--force", data=data)), says)
        shutil.rmtree(data)


def _own(words: str) -> list[str]:
    """A tiny run's flags, these in the place of its own."""
    tiny = "--device cpu --backbone test_efficientnet --weights none --scale 0.15 --folds 2 --epochs 1 --workers 0 --name bad --force"
    typed, flags = words.split(), []
    for part in tiny.split(" --"):
        flag = "--" + part.removeprefix("--").split()[0]
        if not any(word.partition("=")[0] == flag for word in typed):
            flags += ["--" + part.removeprefix("--")]
    return [*typed, *" ".join(flags).split()]


def damage(place: Place) -> Tried:
    """Forty damaged files: what reads them names them, or tells that they are left out."""
    from tests.runs.test_damaged import WAYS

    read = {
        "runs/v5_multitask/one/oof.npy": place.vote("x"),
        "runs/v5_multitask/one/test.npy": place.vote("x"),
        "runs/v5_multitask/one/rows.csv": place.vote("x"),
        "runs/v5_multitask/one/run.json": ["-m", "core.reports.listing"],
        "submissions/one.csv": ["-m", "submissions.compare", "one", "two"],
        "submissions/one.json": ["-m", "submissions.compare", "one", "two"],
        "submissions/leaderboard.csv": ["-m", "submissions.compare", "one", "two"],
    }
    place.run("-m", "submissions.compare.leaderboard", "one", "--public-f1", "0.5")
    for file, words in read.items():
        path = place.folder / file
        whole = path.read_bytes()
        for name, harm in WAYS.items():
            if name == "one bit" and path.suffix == ".csv" and path.parent.name == "submissions":
                continue  # files that people edit are checked for form only
            harm(path)
            says = path.parent.name if path.name == "run.json" else path.stem if "submissions" in file else path.name
            yield f"{file}, {name}", refused(place.run(*words), says)
            path.write_bytes(whole)


def full_disk(place: Place) -> Tried:
    """Each command on a disk that is full: the path is named, and with room the same command goes on."""
    small = place.folder / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "none", str(small)]
    if subprocess.run(mount, capture_output=True).returncode:
        return
    commands = {
        "train, RUNS": (place.kernel(V5, "--name", "full"), "RUNS"),
        "train, CACHE": (place.kernel(V5, "--name", "full"), "CACHE"),
        "vote": (place.vote("full"), "SUBMISSIONS"),
        "leaderboard": (["-m", "submissions.compare.leaderboard", "one", "--public-f1", "0.5"], "SUBMISSIONS"),
        "compare": (["-m", "submissions.compare", "one", "two"], "SUBMISSIONS"),
        "draw": (["-m", "core.people", "--out", small / "drawn", "--people", "10", "--eval-people", "2"], ""),
        "picture": (["-m", "core.reports.augmentations", place.data, small / "picture.png"], ""),
        "predict": ([*LOOK, "--images", place.data / "eval/images", "--out", small / "probs.csv"], ""),
    }
    try:
        for name, (words, variable) in commands.items():
            own = small / (variable or "none").lower()
            shutil.rmtree(own, ignore_errors=True)
            moved = {variable: own} if variable else {}
            if variable == "SUBMISSIONS":
                shutil.copytree(place.folder / "submissions", own)
            with open(small / "filler", "wb") as filler:
                filler.write(bytes(shutil.disk_usage(small).free))
            yield f"{name}, full", refused(place.run(*words, **moved), str(small))
            (small / "filler").unlink()
            code, _, err = place.run(*words, **moved)
            yield f"{name}, with room", "right" if code == 0 else "traceback" if "Traceback" in err else "lost"
    finally:
        subprocess.run(["umount", str(small)])


def twice(place: Place) -> Tried:
    """Two processes start each command at once: one does it, the other does too or is refused."""
    commands = {
        "train": place.kernel(V5, "--name", "twice"),
        "vote": place.vote("twice"),
        "compare": ["-m", "submissions.compare", "one", "two"],
        "leaderboard": ["-m", "submissions.compare.leaderboard", "two", "--public-f1", "0.5"],
        "select": ["-m", "ensembles.voting.selection"],
        "draw": ["-m", "core.people", "--out", place.folder / "drawn", "--people", "10", "--eval-people", "2"],
        "list": ["-m", "core.reports.listing"],
    }
    for name, words in commands.items():
        both = [place.start(*words) for _ in range(2)]
        ends = [(process.communicate(), process.returncode) for process in both]
        traceback = any("Traceback" in err or code not in (0, 2) for (_, err), code in ends)
        done = any(code == 0 for _, code in ends) or name == "select"
        yield name, "traceback" if traceback else "right" if done else "lost"
    yield "vote over the run of two", "right" if place.run(*place.vote("y", f"run('{V5}/twice')"))[0] == 0 else "lost"


WORDS = st.sampled_from(
    "soft hard run adjust ( ) , * 2 -1 1e999 'v5_multitask/one' 'a' per= fold= 'attribute' __import__ ('os') .system open "
    "lambda: [ ] { } ** = # nan ;".split()
)


def expressions(place: Place) -> Tried:
    """Two hundred random votes: read, or refused; nothing in them is ever executed."""
    from core.refusal import Refusal
    from ensembles.voting import api, expression
    from ensembles.voting.ensembles import ensemble
    from ensembles.voting.nodes import Node

    functions = {each.__name__: each for each in (api.run, api.soft, api.hard, api.adjust, ensemble)}
    executed, tried = [], []
    sys.addaudithook(
        lambda event, _: executed.append(event) if event in ("os.system", "subprocess.Popen", "exec") else None
    )

    @settings(max_examples=200, derandomize=True, database=None, deadline=None)
    @given(st.lists(WORDS, min_size=1, max_size=12).map("".join))
    def attempt(text: str) -> None:
        executed.clear()
        try:
            how = "right" if isinstance(expression.parse(text, functions), Node) else "silent"
        except Refusal:
            how = "right"
        except Exception:
            how = "traceback"
        tried.append((repr(text), "silent" if executed else how))

    attempt()
    yield from tried


def read_only(place: Place) -> Tried:
    """Photographs that cannot be written: the run is as any other."""
    mount = f"mount --bind '{place.data}' '{place.data}' && mount -o remount,ro,bind '{place.data}' && exec \"$@\""
    words = ["unshare", "-m", "sh", "-c", mount, "sh", sys.executable, *map(str, place.kernel(V5, "--name", "ro"))]
    done = subprocess.run(words, cwd=PROJECT, env=place.environment(), capture_output=True, text=True)
    if "unshare" in done.stderr:
        return
    yield "train", "right" if done.returncode == 0 else "traceback" if "Traceback" in done.stderr else "lost"


def cluster(place: Place) -> Tried:
    """A worker of a cluster is killed half way: the bytes of a run without a cluster (the test of that name)."""
    words = ["-m", "pytest", "-q", "tests/launch/test_cluster.py", "-k", "loses_a_worker"]
    done = subprocess.run([sys.executable, *words], cwd=PROJECT, env={**os.environ}, capture_output=True, text=True)
    yield "a worker killed", "right" if done.returncode == 0 else "lost"


PARTS: dict[str, Callable[[Place], Tried]] = {
    "inputs": inputs,
    "damage": damage,
    "full_disk": full_disk,
    "twice": twice,
    "expressions": expressions,
    "read_only": read_only,
    "cluster": cluster,
}
