"""Train what is missing of a study, then write its page: docs/studies/NAME.md, with a picture and every verdict.

    python -m tests.studies report [--data DIR] [--jobs 2 | --cluster tcp://host:port] [--only ARM,ARM]

Without --data nothing trains: the page is made from what docs/studies/NAME/ keeps. Each run is kept there as it ends,
so that the command can be stopped anywhere, and goes on from there on any machine that has the clone.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from core import disk, flags, places, recipe
from core.data import competition
from core.launch import cluster, sweep
from core.launch.sweep_table import Planned
from core.refusal import Refusal
from tests.studies import kept, page
from tests.studies import table as studies
from tests.studies.evidence import Evidence
from tests.studies.kept import People, Result
from tests.studies.table import Run, Study

DOCS = places.HOME / "docs" / "studies"


@dataclass(frozen=True, kw_only=True)
class Options:
    """How what is missing is trained."""

    data: str = ""  # the competition folder, with answers.csv; empty: nothing is trained
    jobs: flags.Count = 1  # runs trained side by side on this machine
    cluster: str = ""  # tcp://host:port of a Dask scheduler, whose workers train the runs
    only: tuple[str, ...] = ()  # arms to train; empty: all of them


def conduct(name: str, study: Study, options: Options, docs: Path = DOCS) -> None:
    """Train what is missing, keep it, and write the page.
    Refuses: what `table.runs` refuses, an arm that there is none of, and other data than the study's."""
    runs = studies.runs(name, study, options.data)
    if unknown := set(options.only) - {run.arm for run in runs}:
        raise Refusal(
            f"--only {min(unknown)}: is no arm of the study; there are {', '.join(dict.fromkeys(r.arm for r in runs))}"
        )
    folder = docs / name
    if options.data:
        due = [run for run in _without_result(folder, runs) if not options.only or run.arm in options.only]
        _train(folder, runs, due, options)
    _write_page(docs, name, study, runs)


def _people(folder: Path) -> People | None:
    return kept.read_people(folder / "people.npz") if (folder / "people.npz").is_file() else None


def _results(folder: Path, runs: list[Run]) -> Iterator[tuple[Run, Result | None, str]]:
    """Each run with its result, or with why the one that is there does not count; a damaged file is named."""
    people = _people(folder)
    for run in runs:
        path = folder / f"{run.key}.npz"
        if people is None or not path.is_file():
            yield run, None, ""
            continue
        try:
            result = kept.read(path)
        except Refusal as refusal:
            print(refusal, file=sys.stderr)
            yield run, None, ""
            continue
        why = kept.stale(result.about, run, people)
        yield run, None if why else result, why


def _without_result(folder: Path, runs: list[Run]) -> list[Run]:
    return [run for run, result, _ in _results(folder, runs) if result is None]


def _train(folder: Path, runs: list[Run], due: list[Run], options: Options) -> None:
    """Train the due runs and those that they reuse; first those that reuse none."""
    table = competition.load(places.data(options.data))
    people = _people(folder)
    if people and {name: table.digests()[name] for name in people.digests} != people.digests:
        raise Refusal(f"--data {options.data}: is other data than {folder / 'people.npz'} tells of")
    by_name = {run.planned.name: run for run in runs}
    reused = {by_name[name].key for run in due for name in recipe.runs(run.planned.recipe).values() if name in by_name}
    waves = [[run for run in runs if run.key in reused], [run for run in due if run.key not in reused]]
    epochs = sum(max(flags.each(run.planned.recipe.epochs)) * (run.planned.recipe.folds - 1) for run in due)
    print(f"{len(due)} runs to train, on about {epochs * len(table.train):,} images; {_estimate(folder, runs, due)}")
    if options.cluster:
        cluster.reach(options.cluster, options.jobs)
    refused = []
    for wave in waves:
        for run in (each for each in wave if not each.planned.due):
            _keep(folder, run, Path(options.data))  # a finished run that was not kept
            if why := _stale(folder, run):
                raise Refusal(f"{run.planned.name}: {why}; move that run away, or name another folder by RUNS")
        training = {run.planned.name: run for run in wave if run.planned.due}

        def finished(planned: Planned, training: dict[str, Run] = training) -> list[str]:
            _keep(folder, training[planned.name], Path(options.data))
            return [_estimate(folder, runs, _without_result(folder, due))]

        how = sweep.Options(jobs=options.jobs, cluster=options.cluster)
        refused += sweep.train([run.planned for run in training.values()], how, finished) if training else []
    for run_name, why in refused:
        print(f"{run_name}: {why}", file=sys.stderr)
    if refused:
        raise Refusal(f"{len(refused)} runs were refused; the same command trains what is left")


def _keep(folder: Path, run: Run, root: Path) -> None:
    if not (folder / "people.npz").is_file():
        kept.write_people(folder / "people.npz", kept.people_of(run, root))
    kept.keep(folder / f"{run.key}.npz", run)


def _stale(folder: Path, run: Run) -> str:
    ((_, _, why),) = _results(folder, [run])
    return why


def _estimate(folder: Path, runs: list[Run], left: list[Run]) -> str:
    """Core-hours for the runs that are left, from the runs that are kept."""
    spent = {run.arm: result.about["core_seconds"] for run, result, _ in _results(folder, runs) if result}
    if not spent:
        return "how long that takes is told when the first has ended"
    usual = sum(spent.values()) / len(spent)
    hours = sum(spent.get(run.arm, usual) for run in left) / 3600
    return f"{len(left)} runs are left, about {hours:.1f} core-hours"


def _write_page(docs: Path, name: str, study: Study, runs: list[Run]) -> None:
    folder = docs / name
    found = list(_results(folder, runs))
    results = {(run.arm, run.seed): result for run, result, _ in found if result}
    people = _people(folder)
    evidence = Evidence(results, people) if people and results else None
    answered = [
        claim
        for claim in study.claims
        if evidence and len(evidence.seeds(claim.better)) > 1 and len(evidence.seeds(claim.than)) > 1
    ]
    missing = page.Missing(
        [run for run, result, _ in found if result is None],
        [claim for claim in study.claims if claim not in answered],
        [(run, why) for run, _, why in found if why],
    )
    answers = evidence.answers(answered) if evidence else []
    disk.write_text(docs / f"{name}.md", page.text(name, study, evidence, answered, answers, missing))
    if answered:
        disk.write_text(docs / f"{name}.svg", page.forest(answered, answers))
        for claim, each in zip(answered, answers, strict=True):
            low, high = each.interval()
            print(f"{each.verdict:<14} {each.difference:+.3f} [{low:+.3f}, {high:+.3f}]  {claim.text}")
    print(f"{len(results)} of {len(runs)} runs are kept; wrote {docs / name}.md")


def main(argv: list[str]) -> None:
    (name,), options = recipe.parse_words(Options, [1], "a study: report [--data DIR] (see --help)", argv)
    conduct(name, studies.load(name), options)


if __name__ == "__main__":
    main(sys.argv[1:])
