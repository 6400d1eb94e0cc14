"""Which age group training rows are called by, and which ages are left out. Never applied to held or test rows."""

from dataclasses import replace

import numpy as np

from core import labels
from core.data.table import Rows
from core.refusal import Refusal


def apply(rows: Rows, young: int = 30, old: int = 60, drop: tuple[int, ...] = ()) -> Rows:
    """Training rows labelled with these boundaries; rows whose age in years is in `drop` are left out.
    Refuses: boundaries out of order, or nothing left to train on."""
    if young >= old:
        raise Refusal(f"--age-young {young} --age-old {old}: the first boundary must lie below the second")
    kept = rows.take(~np.isin(rows.column("age"), drop))
    if not len(kept):
        raise Refusal(f"--age-drop {','.join(map(str, drop))}: leaves nothing to train on")
    mask, gender, _ = labels.split(kept.column("label"))
    called = labels.label(mask, gender, labels.age_group(kept.column("age"), young, old))
    return replace(kept, frame=kept.frame.assign(label=called))
