"""A flag's value as its annotation wants it: types, ranges, choices, values by task, files and runs; and the short
names of backbones. What does not fit is refused in one line that names the flag. Free of torch."""

import math
from dataclasses import dataclass
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypeVar, get_args, get_origin

from core import labels
from core.refusal import Refusal, as_ours

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


class Short(NamedTuple):
    """A text that has short names, `names`, and is free otherwise: timm's own names, which are small, stay."""

    names: tuple[str, ...]


class File(NamedTuple):
    """A text that names a file, unless it is one of `words`; its bytes belong to what the flag says."""

    words: tuple[str, ...]


class Run(NamedTuple):
    """A text that names a finished run, KERNEL/NAME, unless it is one of `words`."""

    words: tuple[str, ...]


Count = Annotated[int, Range(low=1)]
NonNegative = Annotated[int, Range(low=0)]
Age = Annotated[int, Range(low=0, high=120)]
Positive = Annotated[float, Range(low=0, open=True)]
Share = Annotated[float, Range(low=0, high=1, open=True)]
Fraction = Annotated[float, Range(low=0, high=0.99)]
Hours = Annotated[float, Range(low=0)]
Decay = Annotated[float, Range(low=0, high=0.99999)]
Scale = Annotated[float, Range(low=0.05, high=1)]
Weights = Annotated[str, File(("imagenet", "none"))]
Fixes = Annotated[str, File(("known", "none"))]
Boxes = Annotated[str, File(("",))]
Margin = Annotated[float, Range(low=0, high=3)]
Precision = Literal["auto", "float32", "bfloat16", "float16"]
Mix = Literal["none", "mixup", "cutmix", "cutmix_vertical"]
RunName = Annotated[str, Run(("",))]
Backbone = Annotated[str, Short(tuple(TAGS))]
#: A flag's value of whatever type, and what Fire or a JSON file holds before it is checked.
Value = Any
T = TypeVar("T")


class PerTask(NamedTuple, Generic[T]):
    """A value for each task; typed as VALUE for all of them, or as mask=VALUE,age=VALUE, where + joins several."""

    mask: T
    gender: T
    age: T

    def of(self, task: str) -> T:
        return self._asdict()[task]

    @property
    def is_same(self) -> bool:
        return self.mask == self.gender == self.age


def same(value: T) -> PerTask[T]:
    """The value for every task."""
    return PerTask(value, value, value)


def each(value: T | PerTask[T]) -> tuple[T, ...]:
    """The value, or the values of all tasks."""
    return tuple(value) if isinstance(value, PerTask) else (value,)


def read(name: str, hint: object, value: Value, text: str | None = None, default: Value = None) -> Value:
    """A flag's value as its annotation wants it.

    Args:
        name: of the flag's field.
        hint: its annotation, a type of this module among others.
        value: what was found, by Fire or in a JSON file.
        text: what was typed, if anything was.
        default: what a task that is not named has.

    Refuses: a value that does not fit the annotation."""
    flag = f"--{flag_name(name)}"
    if get_origin(hint) is PerTask:
        return _per_task(flag, name, get_args(hint)[0], value, text, default)
    if get_origin(hint) is Annotated:
        inner, limits = get_args(hint)
        value = read(name, inner, value, text)
        if isinstance(limits, Range) and value not in limits:
            raise Refusal(f"{flag} {value}: must be {limits}")
        return as_ours(value, limits.names) if isinstance(limits, Short) and value != value.lower() else value
    if get_origin(hint) is Literal:
        choices = get_args(hint)
        value = as_ours(text if text is not None else value, choices)
        if value not in choices:
            raise Refusal(f"{flag} {_shown(value)}: must be one of {', '.join(choices)}")
        return value
    if get_origin(hint) is tuple:
        return _tuple(flag, name, hint, value, text)
    return _scalar(flag, hint, value, text)


def _per_task(flag: str, name: str, hint: object, value: Value, text: str | None, default: Value) -> PerTask:
    if text is None:
        if value is True:
            raise Refusal(f"{flag} needs a value")
        by_task = value._asdict() if isinstance(value, PerTask) else value
        by_task = by_task if isinstance(by_task, dict) else dict.fromkeys(labels.TASKS, value)
        return PerTask(**{task: read(name, hint, by_task[task]) for task in labels.TASKS})
    parts = [part.partition("=") for part in text.split(",")] if "=" in text else []
    named = {task.strip(): typed.strip() for task, _, typed in parts} if parts else dict.fromkeys(labels.TASKS, text)
    if not set(named) <= set(labels.TASKS) or len(named) < len(parts):
        raise Refusal(f"{flag} {text}: name {', '.join(labels.TASKS)} once each, as in {flag} mask=VALUE,age=VALUE")
    typed = {task: word.replace("+", ",") if get_origin(hint) is tuple else word for task, word in named.items()}
    found = {task: read(name, hint, word, word) for task, word in typed.items()}
    return PerTask(*(found[task] if task in found else default.of(task) for task in labels.TASKS))


def _tuple(flag: str, name: str, hint: object, value: Value, text: str | None) -> tuple:
    kinds = get_args(hint)
    if text is None and value is True:
        raise Refusal(f"{flag} needs values, as in {flag} A,B")
    items = tuple(value) if isinstance(value, tuple | list) else (value,)
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


def _scalar(flag: str, kind: Value, value: Value, text: str | None) -> Value:
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
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not number or (kind is int and value != int(value)):
        shown = text if text is not None else value
        raise Refusal(f"{flag} {shown}: must be a {'whole ' if kind is int else ''}number")
    return kind(value)


def _number(text: str) -> float | str:
    """The number that the text is, or the text."""
    try:
        return float(text)
    except ValueError:
        return text


def flag_name(field: str) -> str:
    return field.replace("_", "-")


def _shown(value: object) -> str:
    return "without a value" if value is True else str(value)
