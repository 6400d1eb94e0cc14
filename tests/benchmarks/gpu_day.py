"""A day with a GPU: every check that needs one, each in a process of its own, each result written before the next.

    python tests/benchmarks/gpu_day.py --out DIR --visit 1     20 minutes: is it right?
    python tests/benchmarks/gpu_day.py --out DIR --visit 2     20 minutes: is it fast?

DIR/STEP.txt holds what a step printed, DIR/day.md the tables of all steps that ran, ready for the docs. A step that
fails or takes longer than its minutes is noted, and the next one starts. --only STEP,STEP runs some of them again.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

import torch

from core import recipe
from core.data import competition, resample
from core.images import store
from core.images.decode import Framing
from core.images.prefetch import prefetch
from core.people import make
from core.runs import foldrun, reader
from core.training import device, step
from core.training.kernel import load

PROJECT = Path(__file__).resolve().parents[2]
KERNELS = sorted(PROJECT.glob("kernels/*/run.py"))
V5 = PROJECT / "kernels/v5_multitask/run.py"
#: (kernel, fields of its recipe) whose captured step is held against the plain one.
PAIRS = (
    *((path, {}) for path in KERNELS),
    *((V5, {"optimizer": name}) for name in ("adamp", "sgd")),
    *((V5, {"loss": name}) for name in ("focal", "weighted")),
    *((V5, {"precision": name}) for name in ("float16", "float32")),
)
STEPS, NEAR = 50, 0.05


@dataclass(frozen=True, kw_only=True)
class Options:
    """What runs where."""

    out: str  # the folder of the results; people are drawn there too
    visit: int = 0  # 1 or 2; 0: both
    only: tuple[str, ...] = ()  # these steps; empty: all of the visit
    device: str = "auto"  # auto, cpu, cuda
    tiny: bool = False  # a rehearsal, that a typo does not cost the day
    step: str = ""  # one step in this process, as the day itself starts it


@dataclass(frozen=True)
class Step:
    """`run` prints a markdown table, or raises; it has `minutes` in visit 1 or 2."""

    visit: int
    minutes: float
    run: Callable[[Options], None]


def machine(options: Options) -> None:
    """What is there, and whether a convolution runs in each precision."""
    if torch.cuda.is_available():
        subprocess.run(["nvidia-smi"], check=False)
        print(torch.__version__, torch.version.cuda, torch.cuda.get_arch_list())
    where = torch.device(device.find(options.device))
    name = torch.cuda.get_device_name(where) if where.type == "cuda" else "CPU"
    print("| device | precision | a convolution |\n|---|---|---|")
    layer, image = torch.nn.Conv2d(3, 8, 3).to(where), torch.ones(1, 3, 8, 8, device=where)
    for precision in ("float32", "bfloat16", "float16"):
        with device.autocast(where, getattr(torch, precision)):
            print(f"| {name} | {precision} | {layer(image).sum().item():.3f} |")


def capture(options: Options) -> None:
    """Whether a value that is read back is seen before a capture, and what a failed capture spoils."""
    print("| what | result |\n|---|---|")
    if device.find(options.device) == "cpu":
        return
    x, here = torch.zeros(9, device="cuda"), torch.cuda.current_stream()

    def tried(name: str, does: Callable[[], object]) -> None:
        try:
            does()
            print(f"| {name} | works |")
        except RuntimeError as error:
            said = [str(each).splitlines()[0][:90] for each in (error, error.__context__) if each]
            print(f"| {name} | {type(error).__name__}: {' <- '.join(said)} |")

    def spoilt() -> None:
        with torch.cuda.stream(here), torch.cuda.graph(torch.cuda.CUDAGraph()):
            torch.rand_like(x).sum().item()

    torch.cuda.set_sync_debug_mode("error")
    tried("a value read back in the last warm-up", lambda: x.sum().item())
    torch.cuda.set_sync_debug_mode("default")
    tried("a capture that reads a value back", spoilt)
    tried("emptying the cache after it", torch.cuda.empty_cache)
    tried("dropout after it", lambda: torch.nn.functional.dropout(x))


def tests(options: Options) -> None:
    """The GPU tests; the one that spoils captures in a process of its own."""
    for chosen in ("not cannot_be_captured", "cannot_be_captured"):
        words = ["-q", "-x", "tests/training/test_step.py", "-k", "no_batch_is" if options.tiny else chosen]
        subprocess.run([sys.executable, "-m", "pytest", *words], cwd=PROJECT, check=True)


def equal(options: Options) -> None:
    """The captured step against the plain one on the same batches: the mean loss of the last fifth of the steps."""
    where, number = torch.device(device.find(options.device)), 5 if options.tiny else STEPS
    table = competition.load(people(options))
    table = table.opened(store.open_store(table, Framing((360, 200), 0.15 if options.tiny else 0.5, whole=True)))
    rows, far = resample.repeat(table.train, "none"), []
    print("| kernel | differs in | phase | plain | captured | difference |\n|---|---|---|---|---|---|")
    for path, fields in PAIRS[:1] if options.tiny else PAIRS:
        plain, ours = (losses(path, fields, rows, where, number, graph) for graph in (False, True))
        for phase in plain:
            difference = abs(ours[phase] / plain[phase] - 1)
            changed = " ".join(map(str, fields.values())) or "-"
            row = f"| {path.parent.name} | {changed} | {phase} | {plain[phase]:.4f} | {ours[phase]:.4f} "
            print(f"{row}| {difference:.1%} |", flush=True)
            far += [row] if difference > NEAR else []
    if far:
        sys.exit(f"{len(far)} of the losses differ by more than {NEAR:.0%}")


def losses(path: Path, fields: dict, rows, where: torch.device, number: int, graph: bool) -> dict[str, float]:
    """The mean loss of the last fifth of so many steps of each phase."""
    module = load(path)
    small = {"backbone": "test_efficientnet" if number < STEPS else "lite0", "weights": "none"}
    asked = recipe.build(module.Recipe, {**small, "batch": 16, "workers": 0, "augment": "none", "lr": 1e-3, **fields})
    torch.manual_seed(0)
    net = module.Net(asked).to(where).to(memory_format=torch.channels_last).train()
    found = {}
    for phase in module.plan(net, rows, asked):
        made, dtype = phase.optimizer(phase.parameters), device.dtype(where, asked.precision)
        learn = step.make(net, phase, made, where, dtype) if graph else step.Step(phase, made, where, dtype)
        if graph and where.type == "cuda" and type(learn) is step.Step:
            sys.exit(f"{path.parent.name} {phase.name} was not captured")
        at = 0
        while at < number:
            for images, labels in prefetch(phase.loader.epoch((0, 0, 0, at)), where):
                learn(images, labels)
                at += 1
                if at == number - number // 5:
                    learn.mean(at)
                if at == number:
                    break
        found[phase.name] = learn.mean(number // 5)
    return found


def people(options: Options) -> Path:
    """The drawn competition of the day."""
    folder = Path(options.out) / "people"
    if not folder.exists():
        train, test = (14, 4) if options.tiny else (120, 30)
        make.draw_competition(make.Options(out=str(folder), people=train, eval_people=test, elderly=0.2))
    return folder


def epochs(options: Options) -> int:
    return 2 if options.tiny else 3


def words(options: Options, name: str, *flags: str) -> list[str]:
    """The command of a run of v5."""
    size = "test_efficientnet --scale 0.15 --batch 8" if options.tiny else "lite0 --scale 0.5 --batch 16"
    fixed = f"--weights none --folds 2 --lr 1e-3 --force --device {options.device}".split()
    usual = f"--epochs {epochs(options)} --backbone {size}".split()
    kept = [word for at in range(0, len(usual), 2) if usual[at] not in flags for word in usual[at : at + 2]]
    return [str(V5), "--data", str(people(options)), "--name", name, *fixed, *kept, *flags]


def trained(options: Options, name: str, *flags: str, launcher: tuple[str, ...] = ()) -> tuple[reader.Run, float]:
    """The run of this name, and the seconds that it took."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *launcher, *words(options, name, *flags)], cwd=PROJECT, check=True)
    return reader.load(f"v5_multitask/{name}"), time.perf_counter() - start


def scored(name: str, run: reader.Run, seconds: float) -> str:
    """A row of the tables of runs."""
    f1 = run.manifest["scores"]["macro_f1"] if run.manifest["scores"] else [0.0, 0.0, 0.0]
    rate = max(row["images_per_second"] for row in foldrun.read_log(run.folder / "folds/0"))
    skipped = sum(row["skipped"] for row in foldrun.read_log(run.folder / "folds/0"))
    return f"| {name} | {f1[0]:.3f} [{f1[1]:.3f}, {f1[2]:.3f}] | {rate:.0f} | {skipped} | {seconds:.0f} |"


#: The flags of a run as it is meant.
REAL = ("--backbone", "effb0", "--scale", "1", "--workers", "4", "--epochs", "4")
HEAD = "| run | macro F1 [95 %] | images/s | skipped | seconds |\n|---|---|---|---|---|"


def resumed(options: Options) -> None:
    """A run that was killed after its first epoch ends within the interval of one that never was."""
    straight, seconds = trained(options, "straight")
    folder = straight.folder.with_name("killed")
    process = subprocess.Popen([sys.executable, *words(options, "killed")], cwd=PROJECT)
    while process.poll() is None and not (folder / "folds/0/checkpoint.pt").is_file():
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    again, more = trained(options, "killed")
    print(HEAD, scored("straight", straight, seconds), scored("killed, then resumed", again, more), sep="\n")
    for fold in (0, 1):
        assert [row["epoch"] for row in foldrun.read_log(folder / f"folds/{fold}")] == [*range(epochs(options))]
    scores, others = straight.manifest["scores"], again.manifest["scores"]
    assert scores is not None
    assert others is not None
    assert scores["macro_f1"][1] <= others["macro_f1"][0] <= scores["macro_f1"][2]


def ranks(options: Options) -> None:
    """Two ranks against one process, if there are two GPUs."""
    if torch.cuda.device_count() < 2 and not options.tiny:
        print("one GPU: not run")
        return
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    print(HEAD, scored("one process", *trained(options, "alone")), sep="\n")
    print(scored("two ranks", *trained(options, "ranks", launcher=launcher)))


def jobs(options: Options) -> None:
    """Two folds one after the other, and side by side."""
    one, two = (trained(options, f"jobs{number}", "--jobs", f"{number}") for number in (1, 2))
    print(HEAD, scored("--jobs 1", *one), scored(f"--jobs 2, {one[1] / two[1]:.2f} times as fast", *two), sep="\n")


def bench(options: Options, *flags: str) -> None:
    """tests/benchmarks/gpu.py."""
    tiny = "--people 7 --rows 64 --scale 0.15 --batches 4 --seconds 0.1 --curve 0 --workers 1 --backbones test_resnet"
    chosen = tiny.split() if options.tiny else flags
    command = [sys.executable, "tests/benchmarks/gpu.py", "--device", options.device, *chosen]
    subprocess.run(command, cwd=PROJECT, check=True)


def speed(backbone: str) -> Callable[[Options], None]:
    return lambda options: bench(options, "--backbones", backbone, "--seconds", "6", "--curve", "0")


def precisions(options: Options) -> None:
    """A small batch in each precision, and the loss curves of two seeds."""
    for precision in ("float32", "float16", "bfloat16")[: 1 if options.tiny else 3]:
        fixed = "--backbones effb0 --batches 16 --seconds 3 --curve"
        bench(options, *fixed.split(), "300" if precision == "bfloat16" else "0", "--precision", precision)


def real(options: Options) -> None:
    """v5 as it is meant, from photographs to report, from random weights."""
    print(HEAD, scored("v5_multitask", *trained(options, "real", *(() if options.tiny else REAL))), sep="\n")


DAY = {
    "machine": Step(1, 1, machine),
    "capture": Step(1, 1, capture),
    "tests": Step(1, 5, tests),
    "equal": Step(1, 6, equal),
    "resumed": Step(1, 4, resumed),
    "ranks": Step(1, 3, ranks),
    "effb0": Step(2, 5, speed("effb0")),
    "resnext50": Step(2, 5, speed("resnext50")),
    "precisions": Step(2, 3, precisions),
    "jobs": Step(2, 4, jobs),
    "real": Step(2, 3, real),
}


def day(options: Options) -> None:
    """Run the steps of the visit, and write day.md after each."""
    out = Path(options.out).resolve()
    out.mkdir(parents=True, exist_ok=True)
    os.environ |= {"RUNS": str(out / "runs"), "CACHE": str(out / "cache"), "PYTHONPATH": str(PROJECT)}
    people(replace(options, out=str(out)))
    failed = []
    for name, each in DAY.items():
        if (options.only and name not in options.only) or options.visit not in (0, each.visit):
            continue
        flags = ["--out", str(out), "--device", options.device, *(["--tiny"] if options.tiny else []), "--step", name]
        with open(out / f"{name}.txt", "w", encoding="utf-8") as file:
            start = time.perf_counter()
            code = limited([sys.executable, __file__, *flags], file, 60 * each.minutes)
        state = "done" if code == 0 else "OUT OF TIME" if code == 124 else f"FAILED ({code})"
        print(f"{name}: {state}, {time.perf_counter() - start:.0f} s", flush=True)
        failed += [name] if code else []
        write_page(out)
    print((out / "day.md").read_text(encoding="utf-8"))
    if failed:
        sys.exit(f"failed: {', '.join(failed)}; see {out}/STEP.txt")


def limited(command: list[str], file: IO[str], seconds: float) -> int:
    """The exit code of the command, or 124 if it and whatever it started had to be killed."""
    with subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, start_new_session=True) as process:
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return 124


def write_page(out: Path) -> None:
    """day.md: the tables of all steps that have run."""
    name = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    lines = [f"{name}, torch {torch.__version__}", ""]
    for step_name in DAY:
        path = out / f"{step_name}.txt"
        text = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
        if rows := [line for line in text if line.startswith("|")]:
            lines += [f"{step_name}:", "", *rows, ""]
    (out / "day.md").write_text("\n".join(lines), encoding="utf-8")


def main(options: Options) -> None:
    if options.step:
        DAY[options.step].run(options)
    else:
        day(options)


if __name__ == "__main__":
    main(recipe.parse(Options))
