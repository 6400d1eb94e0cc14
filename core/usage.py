"""What --help prints of a dataclass of flags: each with its default and the comment beside it in the source."""

import inspect
import re
from dataclasses import MISSING, fields
from types import ModuleType


def text(kind: type, module: ModuleType) -> str:
    """The docstring of `module`, then every flag with its default and the comment that stands beside it."""
    comments: dict[str, str] = {}
    for base in reversed(kind.__mro__[:-1]):
        for line in inspect.getsource(base).splitlines():
            if found := re.match(r"\s+(\w+): .*?#\s*(.*)", line):
                comments[found[1]] = found[2]
    head = inspect.getdoc(module) or ""
    named = [(each.name, _default(each.default), comments.get(each.name, "")) for each in fields(kind)]
    rows = [f"  --{name.replace('_', '-'):<15} {value:<22} {why}" for name, value, why in named]
    return "\n".join([head, *["", "flags, what they are by default, and why:"][: 2 * bool(rows)], *rows])


def _default(value: object) -> str:
    if isinstance(value, tuple) and hasattr(value, "_fields"):  # a value for each task
        by_task = zip(value._fields, value, strict=True)
        return _default(value[0]) if len(set(value)) == 1 else ",".join(f"{task}={each}" for task, each in by_task)
    return "(needed)" if value is MISSING else ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
