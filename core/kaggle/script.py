"""What runs on Kaggle. pack.py sends this file's text, followed by a call of `main`. Standard library only.

It unpacks the code that it carries, finds data and weights by their marker files, trains, stops before the session is
over, and always ends with code 0. It leaves two files, run.tar and, last, verdict.json, which says what became of the
run; the verdict is also the log's last line, for a log survives where files may not.
"""

import base64
import hashlib
import io
import json
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import time
import zipfile
from collections import deque
from importlib import metadata
from pathlib import Path

#: A rehearsal outside of Kaggle moves all folders below another root.
ROOT = Path(os.environ.get("MASK18_KAGGLE_ROOT", "/"))
INPUT, WORKING, HOME = ROOT / "kaggle/input", ROOT / "kaggle/working", ROOT / "tmp/mask18"
RUNS = WORKING / "runs"
#: Where a dataset of 2026 is mounted, and one from before; each also with a folder in between.
MOUNTS = ("*", "*/*", "datasets/*/*", "datasets/*/*/*", "notebooks/*/*")
#: Of what `main` is told: what the verdict repeats.
TOLD = ("push", "code", "commit", "kernel", "name", "flags", "fingerprint")
STATES = {0: "ok", 130: "interrupted", 2: "refused"}


class Missing(Exception):
    """What the session should have been given is not there, or is another."""


def main(told: dict, payload: str) -> None:
    """Train what `told` says with the code in `payload`, and leave the verdict.

    told: kernel, name and flags of the run, hours to train, `tags` of the weights and the `part` (sha256) of an
    earlier session that must be attached, the data's fingerprint; push, code and commit name what was sent.
    """
    began, gpus = time.time(), graphics_cards()
    log: deque[str] = deque(maxlen=40)
    print(f"{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime())} UTC, Python {sys.version.split()[0]}, GPUs: {gpus}")
    verdict = {name: told[name] for name in TOLD} | {"state": "failed", "why": "", "gpus": gpus}
    try:
        verdict |= work(told, payload, log, began, gpus)
    except Missing as error:
        verdict |= {"state": "refused", "why": str(error)}
    except BaseException as error:  # whatever it is, what was trained so far is to be brought back
        verdict["why"] = f"{type(error).__name__}: {error}"
    try:
        leave(told, verdict)
    except Exception as error:  # a full disk, for instance
        verdict["why"] += f" ({type(error).__name__} while it was packed: {error})"
    verdict |= {"seconds": round(time.time() - began), "versions": versions(), "log": list(log)}
    (WORKING / "verdict.json").write_text(json.dumps(verdict, indent=1), encoding="utf-8")
    print("MASK18 " + json.dumps(verdict), flush=True)


def work(told: dict, payload: str, log: deque, began: float, gpus: list) -> dict:
    """Unpack, find and train; the state of the run, and why."""
    unpack(payload, told["code"])
    data = find("fingerprint.json", "make kaggle-data")
    found = json.loads((data / "fingerprint.json").read_text(encoding="utf-8"))["fingerprint"]
    if found != told["fingerprint"]:
        raise Missing(f"{data}: holds other photographs than were meant; run make kaggle-data again")
    if told["tags"]:
        lay_out_weights(find("weights.json", "make kaggle-weights"), told["tags"])
    if told["part"]:
        unpack_part(find("part.json", "the same command"), told["part"])
    left = told["hours"] - (time.time() - began) / 3600
    words = ["--data", str(data), "--hours", f"{left:.4f}", "--jobs", str(max(1, len(gpus))), *told["flags"]]
    code = train([str(HOME / "kernels" / told["kernel"] / "run.py"), *words], told["commit"], log)
    said = log[-1] if log else ""
    why = f"ended by signal {-code}: is its memory full?" if code < 0 else "" if code == 0 else said
    return {"state": STATES.get(code, "failed"), "why": why}


def graphics_cards() -> list:
    """The names of the GPUs, as the driver lists them."""
    try:
        listed = subprocess.run(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"], capture_output=True)
        return listed.stdout.decode().strip().splitlines() if listed.returncode == 0 else []
    except OSError:
        return []


def unpack(payload: str, code: str) -> None:
    """The code that was sent, to HOME; its sha256 must be what was sent."""
    data = base64.b85decode("".join(payload.split()))
    if hashlib.sha256(data).hexdigest() != code:
        raise Missing("the code did not arrive as it was sent; push it again")
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        packed.extractall(HOME)


def find(marker: str, command: str) -> Path:
    """The folder among what is attached that holds `marker`, or one of several that say the same; `command` attaches
    it."""
    found = {path.resolve().parent for mount in MOUNTS for path in INPUT.glob(f"{mount}/{marker}")}
    if len({(folder / marker).read_bytes() for folder in found}) != 1:
        names = f" ({', '.join(sorted(map(str, found)))})" if found else ""
        raise Missing(f"{len(found)} attached datasets hold {marker}{names}, and there must be one; run {command}")
    return min(found)


def lay_out_weights(folder: Path, tags: list) -> None:
    """Links in the form of the hub's cache, so that --weights imagenet finds its weights without a network."""
    known = json.loads((folder / "weights.json").read_text(encoding="utf-8"))
    for tag in tags:
        file = folder / f"{tag}.safetensors"
        if tag not in known or not file.is_file():
            raise Missing(f"{folder}: has no weights of {tag}; run make kaggle-weights with it")
        cached = HOME / "hub" / f"models--timm--{tag}"
        revision = known[tag]["sha256"][:40]
        snapshot = cached / "snapshots" / revision
        snapshot.mkdir(parents=True)
        (cached / "refs").mkdir()
        (cached / "refs" / "main").write_text(revision)
        (snapshot / "model.safetensors").symlink_to(file)


def unpack_part(folder: Path, part: str) -> None:
    """What an earlier session left, so that this one goes on; as text, for Kaggle unpacks archives on arrival."""
    packed = HOME / "part.tar"
    with open(folder / "part.txt", "rb") as text, open(packed, "wb") as file:
        base64.decode(text, file)
    if digest(packed) != part:
        raise Missing(f"{folder}: holds another part than was meant; run the same command again")
    with tarfile.open(packed) as tar:
        tar.extractall(RUNS, filter="data")
    packed.unlink()


def train(words: list, commit: str, log: deque) -> int:
    """Run the kernel, show what it prints, keep its last lines in `log`; its exit code."""
    environment = {
        **os.environ,
        "PYTHONPATH": f"{HOME}{os.pathsep}{HOME / 'vendor'}",
        "PYTHONUNBUFFERED": "1",
        "RUNS": str(RUNS),
        "CACHE": str(HOME / "cache"),
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_CACHE": str(HOME / "hub"),
        "NO_ALBUMENTATIONS_UPDATE": "1",  # else its import waits a minute for PyPI
        "MPLCONFIGDIR": str(HOME / "matplotlib"),
        "MASK18_COMMIT": commit or "",
    }
    with subprocess.Popen(
        [sys.executable, *words],
        cwd=HOME,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    ) as child:
        for line in child.stdout or ():
            print(line, end="", flush=True)
            log.append(line.rstrip())
    return child.returncode


def leave(told: dict, verdict: dict) -> None:
    """Put what the run has so far into run.tar, and tell of it in the verdict."""
    folder, tar = RUNS / told["kernel"] / told["name"], WORKING / "run.tar"
    if not folder.is_dir():
        return
    with tarfile.open(tar, "w") as packed:
        packed.add(folder, f"{told['kernel']}/{told['name']}")
    verdict |= {"tar": digest(tar), "bytes": tar.stat().st_size}
    lines = [line for path in folder.glob("folds/*/log.jsonl") for line in path.read_text().splitlines(keepends=True)]
    speeds = [json.loads(line)["images_per_second"] for line in lines if line.endswith("\n")]  # else a kill cut it
    verdict |= {"epochs": len(speeds), "images_per_second": statistics.median(speeds) if speeds else None}
    finished = folder / "run.json"
    verdict["precision"] = json.loads(finished.read_text())["machine"]["precision"] if finished.is_file() else ""
    shutil.rmtree(RUNS)


def versions() -> dict:
    """Of what Kaggle's image holds."""
    found: dict = {}
    for name in ("torch", "timm", "albumentations", "numpy", "opencv-python-headless"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found


def digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
