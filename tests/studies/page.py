"""The page of a study: docs/studies/NAME.md and its forest plot NAME.svg, the same bytes from the same results."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from core import labels
from core.flags import flag_name
from tests.studies import answer
from tests.studies.answer import Answer
from tests.studies.evidence import Evidence
from tests.studies.table import Arm, Claim, Run, Side, Study, differences

ON = {"oof": "out of fold", "test": "test"}
COLOURS = {"holds": "#1a7f37", "does not hold": "#b3261e", "can't tell": "#57606a"}


@dataclass(frozen=True)
class Missing:
    """What has no result: runs that were not made, claims without both sides, and (run, why) of stale results."""

    runs: list[Run]
    claims: list[Claim]
    stale: list[tuple[Run, str]]


def text(
    name: str,
    study: Study,
    evidence: Evidence | None,
    claims: list[Claim],
    answers: list[Answer],
    missing: Missing,
) -> str:
    """The page. `claims` are those that have an answer."""
    where = f"[{name}/]({name}/)" if evidence else f"docs/studies/{name}/"
    parts = [
        f"# {study.question}",
        f"{len(claims)} of {len(study.claims)} claims have an answer so far. Made by `make study NAME={name}` from what "
        f"is kept in {where}; with `DATA=DIR` it trains what is missing first. The data: {study.data}.",
        f"```\n{study.make_data}\n```",
        *([study.about] if study.about else []),
    ]
    if evidence and claims:
        parts += [
            f"![difference in macro F1 of each comparison, with its 95 % interval]({name}.svg)",
            *_verdicts(study, evidence, claims, answers),
            *_arms(study, evidence),
        ]
    parts += _missing(name, study, missing)
    return "\n\n".join(parts) + "\n"


def _verdicts(study: Study, evidence: Evidence, claims: list[Claim], answers: list[Answer]) -> list[str]:
    rows = []
    for claim, found, holm in zip(claims, answers, answer.corrected(answers), strict=True):
        tasks = evidence.tasks(claim.better, claim.on) - evidence.tasks(claim.than, claim.on)
        needed = found.people_needed
        more = "" if found.verdict != "can't tell" else f" ({f'{needed} people' if needed else 'more seeds first'})"
        low, high = found.interval()
        seeds = f"{len(evidence.seeds(claim.better))} / {len(evidence.seeds(claim.than))}"
        cells = (
            claim.group,
            claim.text,
            f"{found.difference:+.3f} [{low:+.3f}, {high:+.3f}]",
            *map("{:+.3f}".format, tasks),
        )
        rows.append((*cells, ON[claim.on], seeds, f"**{found.verdict}**{more}", holm))
    heads = (
        "claim",
        "in our words",
        "difference in macro F1 [95 %]",
        *labels.TASKS,
        "on",
        "seeds",
        "verdict",
        "after Holm",
    )
    people = {on: len(np.unique(evidence.truth(on)[1])) for on in ("oof", "test")}
    note = (
        f"{len(claims)} comparisons, on {people['oof']} people out of fold or {people['test']} test people. *Holds*: the "
        f"interval lies above 0. *Does not hold*: its upper end lies below {answer.SMALL}. Else *can't tell*, and how many "
        "people would be needed if the difference is real. *After Holm*: the same, corrected for the number of comparisons. The interval adds chance by people (bootstrap) and by "
        "seed (pooled over all arms): tests/studies/answer.py. "
        "Under mask, gender and age: the difference in accuracy."
    )
    return ["## Verdicts", table(heads, rows), note]


def _arms(study: Study, evidence: Evidence) -> list[str]:
    rows, also_test = [], study.on == "oof"
    for arm in study.arms:
        side = Side((arm.name,))
        if not (seeds := evidence.seeds(side)):
            continue
        scores, test = evidence.scores(side, study.on), evidence.scores(side, "test")
        kept = [evidence.results[arm.name, seed].about for seed in seeds]
        each = " ".join(f"{value:.3f}" for value in scores.values)
        minutes = np.mean([about["core_seconds"] for about in kept]) / 60
        sources = " ".join(dict.fromkeys(about["sources"][:8] for about in kept))
        tasks = map("{:.3f}".format, evidence.tasks(side, study.on))
        interval = " [{:.3f}, {:.3f}]".format(*evidence.score(side, study.on).interval()) if len(seeds) > 1 else ""
        f1 = (f"{scores.values.mean():.3f}{interval}", each, *[f"{test.values.mean():.3f}"] * also_test)
        rows.append((arm.name, changed(arm), *f1, *tasks, f"{minutes:.1f}", sources))
    heads = (
        "arm",
        "what differs",
        f"macro F1, {ON[study.on]} [95 %]",
        "each seed",
        *["on test"] * also_test,
        *labels.TASKS,
        "core-minutes",
        "sources",
    )
    results = evidence.results.values()
    hours = sum(result.about["core_seconds"] for result in results) / 3600
    images = sum(result.about["images"] for result in results)
    fixed = " ".join(f"--{flag_name(name)} {value}" for name, value in study.base.items())
    cost = f"{len(results)} runs trained on {images:,} images in {hours:.1f} core-hours."
    told = "*sources*: the digest of the kernel and the core that trained the runs; not every change of a source changes a result. *core-minutes*: what else ran on the machine has made some longer; the images are exact."
    return [
        "## Arms",
        table(heads, rows),
        f"Held fixed: `{study.kernel} {fixed}`, all else as the kernel's defaults. {cost} {told}",
    ]


def changed(arm: Arm) -> str:
    """What the arm changes, and of which arm."""
    flags = [f"{name}={value}" for name, value in differences(arm).items()]
    of = f" of {arm.of}" if arm.of and flags else ""
    why = f" ({arm.together})" if arm.together else ""
    return (", ".join(f"`{flag}`" for flag in flags) or "the base") + of + why


def _missing(name: str, study: Study, missing: Missing) -> list[str]:
    parts = []
    if missing.stale:
        rows = [f"- {run.key}: {why}" for run, why in missing.stale]
        parts += ["## Stale", "Kept, and not counted above:\n\n" + "\n".join(rows)]
    if missing.claims:
        parts += ["## Without a verdict", "\n".join(f"- {claim.group}: {claim.text}" for claim in missing.claims)]
    if missing.runs:
        arms = list(dict.fromkeys(run.arm for run in missing.runs))
        seeds = {arm: [str(run.seed) for run in missing.runs if run.arm == arm] for arm in arms}
        lines = "\n".join(f"- {arm}: seed {', '.join(seeds[arm])}" for arm in arms)
        needs = f" They need {study.needs}." if study.needs else ""
        command = f"```\nmake study NAME={name} DATA=DIR ONLY={','.join(arms)}\n```"
        parts += ["## Not run", lines, f"This trains them, or some of them.{needs}", command]
    return parts


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """In Markdown."""
    heads = list(heads)
    lines = [heads, ["---"] * len(heads), *map(list, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def forest(claims: list[Claim], answers: list[Answer]) -> str:
    """The SVG: a line per comparison, with its interval; zero marked."""
    with matplotlib.rc_context({"svg.hashsalt": "mask18", "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure = Figure((8.3, 1.1 + 0.3 * len(claims)), layout="constrained", facecolor="white")
        axes = figure.subplots()
        axes.axvline(0, color="black", linewidth=1)
        for at, found in enumerate(answers):
            low, high = found.interval()
            colour = COLOURS[found.verdict]
            axes.plot([low, high], [at, at], color=colour, linewidth=2)
            axes.plot([found.difference], [at], "o", color=colour, markersize=6)
            axes.text(1.02, at, found.verdict, color=colour, va="center", transform=axes.get_yaxis_transform())
        axes.set_yticks(range(len(claims)), [claim.text for claim in claims])
        axes.set_ylim(len(claims) - 0.5, -0.5)
        axes.grid(axis="x", alpha=0.3)
        axes.set_xlabel("difference in macro F1, 95 % interval over people and seeds")
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()
