"""What --help prints of a dataclass of flags: each with its default and the comment beside it in the source."""

import inspect
import re
from dataclasses import MISSING, fields
from types import ModuleType

from core.flags import PerTask, Value, flag_name


def text(kind: type, module: ModuleType) -> str:
    """The docstring of `module`, then every flag with its default and the comment that stands beside it."""
    comments: dict[str, str] = {}
    for base in reversed(kind.__mro__[:-1]):
        for line in inspect.getsource(base).splitlines():
            if found := re.match(r"\s+(\w+): .*?#\s*(.*)", line):
                comments[found[1]] = found[2]
    head = inspect.getdoc(module) or ""
    named = [(flag_name(each.name), _default(each.default), comments.get(each.name, "")) for each in fields(kind)]
    rows = [f"  --{name:<15} {value:<22} {why}" for name, value, why in named]
    return "\n".join([head, *["", "flags, what they are by default, and why:"][: 2 * bool(rows)], *rows])


def _default(value: Value) -> str:
    if isinstance(value, PerTask) and not value.is_same:
        return ",".join(f"{task}={value.of(task)}" for task in value._fields)
    value = value.mask if isinstance(value, PerTask) else value
    return "(needed)" if value is MISSING else ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
