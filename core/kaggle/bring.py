"""The way back: nothing of a session is believed that its verdict, the digests and runs.reader do not confirm."""

import contextlib
import json
import shlex
import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import NotRequired, TypedDict

from core import disk, places
from core.kaggle.pack import Told
from core.kaggle.session import Session
from core.refusal import Refusal, first_line
from core.runs import reader, writer


class Verdict(TypedDict):
    """What core here reads of what script.py leaves as verdict.json; there is no `tar` if nothing was trained."""

    push: str
    state: str
    why: str
    gpus: list[str]
    seconds: int
    epochs: NotRequired[int]
    tar: NotRequired[str]
    bytes: NotRequired[int]
    images_per_second: NotRequired[float | None]
    precision: NotRequired[str]


@dataclass(frozen=True)
class Pushed:
    """What is remembered of a push: `told` as script.main has it, the folder of its photographs here, `version` None
    until Kaggle has answered, `ended` once nothing more is to come of it."""

    slug: str
    told: Told
    script: str
    datasets: list[str]
    data: str
    at: str
    version: int | None = None
    ended: bool = False

    @property
    def run(self) -> str:
        return f"{self.told['kernel']}/{self.told['name']}"

    @property
    def command(self) -> str:
        return shlex.join([self.told["kernel"], *self.told["flags"]])


def fetch(session: Session, pushed: Pushed) -> tuple[Verdict | None, str]:
    """Fetch what the session left to a folder of its own: its verdict, if there is one, and its log.
    Refuses: a run.tar that did not come whole; the same command fetches it again."""
    folder = _folder(pushed)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    log = session.output(pushed.slug, pushed.version or 1, folder)
    verdict = _verdict(folder, log)
    tar = folder / "run.tar"
    if verdict and "tar" in verdict and (not tar.is_file() or disk.digest(tar) != verdict["tar"]):
        came = f"{tar.stat().st_size if tar.is_file() else 0:,} of {verdict['bytes']:,} bytes"
        raise Refusal(f"run.tar: is not what the session left ({came} came); the same command fetches it again")
    return verdict, log


def _verdict(folder: Path, log: str) -> Verdict | None:
    """From verdict.json, or from the log's last line of its kind; None if there is none."""
    file = folder / "verdict.json"
    texts = [line.removeprefix("MASK18 ") for line in log.splitlines() if line.startswith("MASK18 {")]
    for text in [*texts[-1:], *([file.read_text(encoding="utf-8")] if file.is_file() else [])][::-1]:
        with contextlib.suppress(ValueError):
            return json.loads(text)
    return None


def judge(pushed: Pushed, ended: tuple[str, str], verdict: Verdict | None, log: str) -> Verdict:
    """This push's verdict. Refuses: none, or another's; what was pushed is not given up."""
    give_up = f"to give it up: python -m core.kaggle forget {pushed.command}"
    if verdict is None:
        last = " | ".join(log.strip().splitlines()[-5:]) or "nothing"
        how = " ".join(ended).strip()
        raise Refusal(f"{pushed.slug}: ended as {how} without a verdict; its log ends: {last}; {give_up}")
    if verdict.get("push") != pushed.told["push"]:
        raise Refusal(f"{pushed.slug}: left the verdict of another push; nothing was brought; {give_up}")
    return verdict


def keep(session: Session, pushed: Pushed, verdict: Verdict) -> Path:
    """Check what was fetched and rename it into places.runs(), with kaggle.json beside it; the run's folder.
    Refuses: whatever does not agree; nothing was changed there."""
    folder, name = _folder(pushed), pushed.run
    brought = unpack(folder / "run.tar", folder / "unpacked", name)
    if finished := verdict["state"] == "ok":
        reader.load(name, folder / "unpacked")
    disk.write_json(brought / "where.json", {"data": pushed.data})
    about = {"slug": f"{session.user}/{pushed.slug}", "version": pushed.version, "verdict": verdict}
    disk.write_json(brought / "kaggle.json", about)
    final = _put(brought, name, finished)
    shutil.rmtree(folder, ignore_errors=True)
    return final


def unfinished(name: str) -> Path:
    """Where a run grows until it is finished: beside a finished one of its name that is trained again."""
    final = places.runs() / name
    return final.with_name(f".{final.name}.new") if (final / "run.json").is_file() else final


def _folder(pushed: Pushed) -> Path:
    return places.runs() / ".kaggle" / "tmp" / pushed.run.replace("/", "-")


def unpack(tar: Path, folder: Path, name: str) -> Path:
    """The run's folder out of run.tar. Refuses: one that holds anything else."""
    try:
        with tarfile.open(tar) as packed:
            for member in packed:
                inside = member.name == name or member.name.startswith(f"{name}/")
                if not (inside and ".." not in member.name.split("/") and (member.isfile() or member.isdir())):
                    raise Refusal(f"run.tar: holds {member.name!r}, which is no file of {name}; nothing was unpacked")
            packed.extractall(folder, filter="data")
    except (tarfile.TarError, EOFError) as error:
        raise Refusal(f"run.tar: cannot be read ({first_line(error)}); nothing was brought") from None
    return folder / name


def _put(brought: Path, name: str, finished: bool) -> Path:
    """One rename into places.runs(), where what is trained of this run so far, or again, gives way."""
    growing = unfinished(name)
    final = places.runs() / name if finished else growing
    with disk.lock(growing.with_name(f".{name.partition('/')[2]}.lock"), f"the run {name}"):
        writer.put_in_place(brought, final)
        if growing != final:
            shutil.rmtree(growing, ignore_errors=True)
    return final


def tell(verdict: Verdict) -> None:
    """What the session measured, and a warning where it had not the two GPUs that it should have."""
    speed = f", {verdict['images_per_second']:.0f} images a second" if verdict.get("images_per_second") else ""
    cards = ", ".join(verdict["gpus"]) or "no GPU"
    print(
        f"{verdict['seconds'] / 60:.0f} minutes on {cards} in {verdict.get('precision') or 'unknown precision'}{speed}"
    )
    if len(verdict["gpus"]) < 2:
        print(f"the session had {len(verdict['gpus'])} GPUs where two were asked for")
