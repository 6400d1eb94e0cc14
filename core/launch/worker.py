"""The process that carries out an order of `core.launch.jobs`: a fold, or a whole run.

The order is a line of JSON on stdin, which its owner then keeps open: when it closes, because the owner has died, so
does this process. A Refusal is the last line on stderr, with exit code 2.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from pathlib import Path
from typing import Any

from core.launch import crossval
from core.refusal import Refusal
from core.runs import provenance
from core.training import fold, kernel


def main() -> None:
    order = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_owner, daemon=True).start()
    try:
        _carry_out(order)
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        sys.exit(2)


def _carry_out(order: dict[str, Any]) -> None:
    # a worker may have joined the cluster after its workers were looked at
    if other := provenance.other_version(order["versions"], provenance.versions()):
        raise Refusal(f"{socket.gethostname()} {other}")
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in order["recipe"].items()}
    if "fold" in order:
        where = order["fold"], order["work"], order["after"], order["threads"]
        fold.train_fold(order["file"], given, *where, watched=True, wait=True)
    else:
        module = kernel.load(Path(order["file"]))
        crossval.train(order["file"], module.Recipe(**given), watched=True)


def _end_with_owner() -> None:
    while os.read(0, 1):  # not sys.stdin, whose lock a forked loader worker would inherit
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
