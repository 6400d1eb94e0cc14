"""A flag's value as its annotation wants it: types, ranges and choices, refused in one line that names the flag."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args, get_origin

from core.refusal import Refusal

#: Our names -> timm's, with the weights pinned. timm has no trained efficientnet_b7, only the tf_ one.
TAGS = {
    "effb0": "efficientnet_b0.ra_in1k",
    "effb4": "efficientnet_b4.ra2_in1k",
    "effb7": "tf_efficientnet_b7.ra_in1k",
    "resnext50": "resnext50_32x4d.ra_in1k",
    "lite0": "tf_efficientnet_lite0.in1k",
}


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, the ends left out where `open`."""

    low: float = -math.inf
    high: float = math.inf
    open: bool = False

    def __contains__(self, value: float) -> bool:
        return self.low < value < self.high if self.open else self.low <= value <= self.high

    def __str__(self) -> str:
        if self.high == math.inf:
            return f"above {self.low:g}" if self.open else f"{self.low:g} or more"
        return f"between {self.low:g} and {self.high:g}"


Count = Annotated[int, Range(low=1)]
Whole = Annotated[int, Range(low=0)]
Age = Annotated[int, Range(low=0, high=120)]
Positive = Annotated[float, Range(low=0, open=True)]
Share = Annotated[float, Range(low=0, high=1, open=True)]
Part = Annotated[float, Range(low=0, high=0.99)]
Zoom = Annotated[float, Range(low=0.05, high=1)]


def read(name: str, hint: Any, value: Any, text: str | None) -> Any:
    """`value` as the annotation `hint` wants it; `text` is what was typed, if anything was."""
    flag = f"--{dashed(name)}"
    if get_origin(hint) is Annotated:
        inner, limits = get_args(hint)
        value = read(name, inner, value, text)
        if value not in limits:
            raise Refusal(f"{flag} {value}: must be {limits}")
        return value
    if get_origin(hint) is Literal:
        choices = get_args(hint)
        value = text if text is not None else value
        if value not in choices:
            raise Refusal(f"{flag} {_shown(value)}: must be one of {', '.join(choices)}")
        return value
    if get_origin(hint) is tuple:
        return _tuple(flag, name, hint, value, text)
    return _scalar(flag, hint, value, text)


def _tuple(flag: str, name: str, hint: Any, value: Any, text: str | None) -> tuple:
    kinds = get_args(hint)
    if text is None and value is True:
        raise Refusal(f"{flag} needs values, as in {flag} A,B")
    items = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    texts: tuple[str | None, ...] = (None,) * len(items)
    if text is not None:
        typed = [item.strip() for item in text.strip("()[]").split(",")]
        items = items if len(items) == len(typed) else tuple(typed)
        texts = tuple(typed)
    if text in ("none", "()", ""):
        items = texts = ()
    if kinds[-1] is not Ellipsis and len(items) != len(kinds):
        raise Refusal(f"{flag} {text}: needs {len(kinds)} values, as in {flag} {','.join('1' * len(kinds))}")
    inner = [kinds[0]] * len(items) if kinds[-1] is Ellipsis else kinds
    return tuple(read(name, kind, item, typed_) for kind, item, typed_ in zip(inner, items, texts, strict=True))


def _scalar(flag: str, kind: type, value: Any, text: str | None) -> Any:
    if kind is bool:
        if not isinstance(value, bool):
            raise Refusal(f"{flag} {_shown(value)}: must be left bare, True or False")
        return value
    if isinstance(value, bool) and text is None:
        raise Refusal(f"{flag} needs a value")
    if kind is str:
        return text if text is not None else value
    if isinstance(value, str):
        value = _number(value)
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if not number or (kind is int and value != int(value)):
        raise Refusal(
            f"{flag} {text if text is not None else value}: must be a {'whole ' if kind is int else ''}number"
        )
    return kind(value)


def _number(text: str) -> float | str:
    """The number that the text is, or the text."""
    try:
        return float(text)
    except ValueError:
        return text


def dashed(name: str) -> str:
    return name.replace("_", "-")


def _shown(value: Any) -> str:
    return "without a value" if value is True else str(value)
