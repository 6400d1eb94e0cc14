"""The process that runs a job of jobs.py: a fold, or a whole run.

The job is a line of JSON on stdin, which its parent then keeps open: when it closes, because the parent has died, so
does this process. A Refusal is the last line on stderr, with its exit code.
"""

import json
import os
import socket
import sys
import threading
from pathlib import Path

from core import recipe
from core.launch import crossval
from core.launch.jobs import Job
from core.refusal import Refusal
from core.runs import provenance
from core.training import fold, kernel


def main() -> None:
    job = Job(**json.loads(sys.stdin.readline()))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        _run(job)
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        sys.exit(refusal.code)


def _run(job: Job) -> None:
    # a worker may have joined the cluster after its workers were looked at
    if differing := provenance.other_version(job.versions, provenance.versions()):
        raise Refusal(f"{socket.gethostname()} {differing}")
    if job.fold is None:
        requested = recipe.build(kernel.load(Path(job.file)).Recipe, job.recipe)
        crossval.train(job.file, requested, shown_by_parent=True)
    else:
        where = job.fold, job.run_dir, job.after, job.threads, job.until
        fold.train_fold(job.file, job.recipe, *where, shown_by_parent=True, wait=True)


def _end_with_parent() -> None:
    while os.read(0, 1):  # not sys.stdin, whose lock a forked loader worker would inherit
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
