"""One command from a kernel and its flags to a run in runs/: push, wait, bring back. Typed again, it goes on.

What was pushed is remembered in RUNS/.kaggle before it is sent and when it is answered, so that a run is pushed once,
also when the answer is lost or the command is killed.
"""

import sys
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path

from core import disk, places, recipe
from core.kaggle import bring, pack, upload
from core.kaggle.bring import Pushed, Verdict
from core.kaggle.order import Order
from core.kaggle.session import Lost, Session
from core.refusal import Interrupted, Refusal
from core.runs import names, provenance

#: Seconds between two questions: at first, and after the first ten minutes; and how long to ask at all.
POLL, LATER, LONGEST = 15.0, 60.0, 13 * 3600
ENDS = ("COMPLETE", "ERROR", "CANCEL_ACKNOWLEDGED")
#: Kaggle shows a script, and what it left, a little late; one that is not shown for so long is gone.
SHOWN_AFTER, GONE_AFTER = 20.0, 600.0


def run(session: Session, order: Order) -> Path:
    """The run, trained there and brought to places.runs(); its folder.
    Refuses: a finished run of that name (unless forced), and whatever goes wrong on the way."""
    file = upload.state(order.run)
    finished = (places.runs() / order.run / "run.json").is_file()
    if finished and not (order.recipe.force or order.recipe.smoke):
        raise Refusal(f"{order.run}: is finished here; give --force to train it again, or --name for another run")
    with disk.lock(file.with_suffix(".lock"), f"the push of {order.run}"):
        pushed = _pushed(session, order, file)
        ended = wait(session, pushed)
        found, log = _fetched(session, pushed, ended)
        verdict = bring.judge(pushed, ended, found, log)
        trained = bool(verdict.get("epochs"))
        final = bring.keep(session, pushed, verdict) if verdict["state"] == "ok" or trained else None
        forget(file)
    bring.tell(verdict)
    return _outcome(order, verdict, final)


def _pushed(session: Session, order: Order, file: Path) -> Pushed:
    """What is on its way of this run, or a new push of it. Refuses: other flags than it was pushed with."""
    pushed = remembered(file)
    if pushed and not pushed.ended and pushed.version is None and session.status(pushed.slug):
        pushed = replace(pushed, version=1)  # the answer was lost
        _remember(file, pushed)
    if pushed is None or pushed.ended or pushed.version is None:
        pushed = _prepare(session, order, pushed.told["attempt"] + 1 if pushed else 1)
        _remember(file, pushed)
        pushed = _push(session, pushed, file)
        _remember(file, pushed)
    elif pushed.told["flags"] != order.flags:
        flags = " ".join(pushed.told["flags"]) or "no flags"
        raise Refusal(f"{order.run}: was pushed with {flags} and has not come back; give those, or another --name")
    elif pushed.told["code"] != pack.digest(order):
        print("the code here was changed since the push; what was pushed is brought back", file=sys.stderr)
    return pushed


def _fetched(session: Session, pushed: Pushed, ended: tuple[str, str]) -> tuple[Verdict | None, str]:
    """The verdict and the log, asked for again a few times, for outputs may be listed late."""
    for _ in range(3 if ended[0] == "COMPLETE" else 0):
        verdict, log = bring.fetch(session, pushed)
        if verdict:
            return verdict, log
        time.sleep(SHOWN_AFTER)
    return bring.fetch(session, pushed)


def _outcome(order: Order, verdict: Verdict, final: Path | None) -> Path:
    """The folder of a run that is finished. Refuses any other with its reason."""
    if verdict["state"] == "ok" and final:
        return final
    if verdict["state"] == "interrupted" and final:
        raise Interrupted(f"{order.run}: its hours are over; the same command trains the rest in another session")
    kept = f"; what it trained is in {final}, and the same command goes on from there" if final else ""
    raise Refusal(f"{order.run}: {verdict['state']} there: {verdict['why'] or 'it did not say why'}{kept}")


def remembered(file: Path) -> Pushed | None:
    try:
        return Pushed(**disk.read_json(file)) if file.is_file() else None
    except TypeError:
        raise Refusal(
            f"{file}: is damaged; look at kaggle.com/work, remove the file, and the run is pushed anew"
        ) from None


def forget(file: Path) -> None:
    """Nothing more is to come of what was pushed: the next command pushes anew."""
    if pushed := remembered(file):
        _remember(file, replace(pushed, ended=True))


def _remember(file: Path, pushed: Pushed) -> None:
    disk.write_json(file, asdict(pushed))


def _prepare(session: Session, order: Order, attempt: int) -> Pushed:
    """All that a push needs, checked and packed. Refuses: no photographs or weights there, or too few GPU hours."""
    data: upload.Data = _sent("data", "make kaggle-data DATA=data")
    weights = _weights(order) if order.tags else ""
    left = session.hours_left()
    if left is not None and left < order.hours:
        advice = f'give FLAGS="--hours {left - 0.5:.1f}", which stops in time to be resumed' if left > 0.6 else "wait"
        raise Refusal(f"{left:.1f} GPU hours are left this week, and the run may take {order.hours:g}; {advice}")
    parts = _parts(order)
    slug, part = upload.part(session, parts) if parts else ("", "")
    script, told = pack.script(order, data["fingerprint"], part, attempt)
    datasets = [each for each in (data["slug"], weights, slug) if each]
    return Pushed(order.slug(told["push"]), told, script, datasets, data["data"], time.strftime("%Y-%m-%d %H:%M:%S"))


def _weights(order: Order) -> str:
    """The dataset with the weights that the run needs. Refuses: none."""
    every = f'make kaggle-weights TAGS="{" ".join(order.tags)}"'
    sent: upload.Weights = _sent("weights", every)
    if lacking := sorted(set(order.tags) - set(sent["tags"])):
        every = f'make kaggle-weights TAGS="{" ".join(sorted({*order.tags, *sent["tags"]}))}"'
        raise Refusal(f"no weights of {', '.join(lacking)} are on Kaggle; {every}")
    return sent["slug"]


def _sent(name: str, command: str):  # type: ignore[no-untyped-def]
    """What an upload of this name has written down. Refuses: there was none; `command` makes it."""
    if not upload.state(name).is_file():
        raise Refusal(f"no {name} were sent to Kaggle from here; {command}")
    sent = disk.read_json(upload.state(name))
    if not isinstance(sent, dict) or "slug" not in sent:
        raise Refusal(f"{upload.state(name)}: is damaged; {command}")
    return sent


def _parts(order: Order) -> dict[str, Path]:
    """The runs that must lie there, by name: what was trained of this one so far, here or there, and what its flags
    name. Refuses: an unfinished run that was started otherwise."""
    found = {name: places.runs() / name for name in recipe.runs(order.recipe).values()}
    begun = bring.unfinished(order.run)
    if (begun / "start.json").is_file():
        start, now = disk.read_json(begun / "start.json"), names.results(order.recipe)
        if start["recipe"] == now and start["source"] == provenance.sources(order.file):
            found[order.run] = begun
        elif not order.recipe.force:
            advice = "--force starts over, --name is another"
            raise Refusal(f"{order.run}: is an unfinished run of other flags or sources; {advice}")
    return found


def _push(session: Session, pushed: Pushed, file: Path) -> Pushed:
    """Pushed once: a push whose answer is lost is looked for, now and by the next command."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            version = session.push(pushed.slug, pushed.script, pushed.datasets, Path(folder))
        except Lost:
            time.sleep(SHOWN_AFTER)
            if not session.status(pushed.slug):
                raise Refusal("Kaggle did not answer the push, and shows none; the same command looks again") from None
            version = 1
        except Refusal:
            forget(file)
            raise
    print(f"pushed, version {version}: https://www.kaggle.com/code/{session.user}/{pushed.slug}")
    return replace(pushed, version=version)


def wait(session: Session, pushed: Pushed) -> tuple[str, str]:
    """How the session ended, and what Kaggle says of a failure; one line that changes tells how it goes.
    Refuses: to wait longer than a session can take."""
    began, last, shown = time.monotonic(), "", sys.stderr.isatty()
    while True:
        status, message = session.status(pushed.slug, pushed.version) or ("not there", "")
        seconds = time.monotonic() - began
        if shown:
            print(f"\r{status.lower()}, {seconds / 60:.0f} min", end="", file=sys.stderr, flush=True)
        elif status != last:
            print(status.lower(), file=sys.stderr)
        last = status
        if status in ENDS:
            print(end="\n" if shown else "", file=sys.stderr)
            return status, message
        if status == "not there" and seconds > GONE_AFTER:
            raise Refusal(
                f"{pushed.slug}: is not on Kaggle; to give it up: python -m core.kaggle forget {pushed.command}"
            )
        if seconds > LONGEST:
            raise Refusal(
                f"{pushed.slug}: is still {status.lower()} after {seconds / 3600:.1f} hours; the same command waits on"
            )
        time.sleep(POLL if seconds < 600 else LATER)
