"""Kaggle's commands: what a session needs, a rehearsal here, and a run there.

python -m core.kaggle data [DATA]                  send the photographs, once
python -m core.kaggle weights effb0 resnext50      send pretrained weights, once
python -m core.kaggle try KERNEL [FLAGS]           the packed script here, without network
python -m core.kaggle run KERNEL [FLAGS]           push, wait, bring back; typed again, it goes on
python -m core.kaggle forget KERNEL [FLAGS]        give up what was pushed: the next run is pushed anew
"""

import sys

from core import places
from core.kaggle import order as orders
from core.kaggle import push, rehearsal, upload
from core.kaggle.session import Session
from core.refusal import Refusal, did_you_mean

VERBS = ("data", "weights", "try", "run", "forget")


def main(argv: list[str]) -> None:
    """One of VERBS with its words. Refuses: any other, and a lack of words."""
    if not argv or {"-h", "--help"} & set(argv[:1]):
        print(__doc__)
        return
    verb, *words = argv
    if verb not in VERBS:
        raise Refusal(f"{verb}: is none of {', '.join(VERBS)}; {did_you_mean(verb, VERBS, 'see --help')}")
    if verb == "data":
        about = upload.data(Session(), places.data(words[0] if words else ""))
        print(f"the fingerprint of {about['data']} is {about['fingerprint'][:8]}")
        return
    if not words or words[0].startswith("-"):
        raise Refusal(f"{verb} needs {'names of backbones' if verb == 'weights' else 'a kernel, then its flags'}")
    if verb == "weights":
        upload.weights(Session(), words)
        return
    order = orders.order(words[0], words[1:])
    if verb == "run":
        print(f"wrote {push.run(Session(), order)}")
    elif verb == "forget":
        push.forget(upload.state(order.run))
    else:
        _try(order)


def _try(order: orders.Order) -> None:
    verdict, folder = rehearsal.rehearse(order, places.data())
    if verdict["state"] not in ("ok", "interrupted"):
        raise Refusal(f"{order.run}: {verdict['state']}: {verdict['why']}")
    print(f"{verdict['state']} in {verdict['seconds']} s; what a session would leave is in {folder}")


if __name__ == "__main__":
    main(sys.argv[1:])
