"""Bad input ends in one line on stderr and exit code 2; a fault of ours still shows its traceback.

A place that the machine does not let us read or write (a file where a folder is meant, no right to it, a full
disk, a name too long) is the user's to mend too, and ends the same way.

Every entry point (kernels, ensembles, ``python -m core.…``) gets this by importing anything of
the core that can refuse, so an expression at module level in an ensemble is covered too.
"""

import difflib
import errno
import os
import re
import sys
from collections.abc import Iterable
from types import TracebackType
from typing import NoReturn

#: What only the user can mend about a place; whatever else the system refuses may be a fault of ours.
PLACES = {
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT),
    *(errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG),
}
#: Names of the report, of torch and of albumentations, small and without signs -> ours.
SPELLINGS = {
    "efficientnetb0": "effb0",
    "efficientnetb4": "effb4",
    "efficientnetb7": "effb7",
    "resnext5032x4d": "resnext50",
    "ce": "cross_entropy",
    "crossentropyloss": "cross_entropy",
    "weightedcrossentropy": "weighted",
    "focalloss": "focal",
    "reducelronplateau": "plateau",
    "cosineannealinglr": "cosine",
    "steplr": "step",
    "randombrightnesscontrast": "brightness_contrast",
    "horizontalflip": "flip",
    "randomfog": "fog",
    "elastictransform": "elastic",
}


class Refusal(ValueError):
    """What the user gave cannot be used; the text is one line that says what is wrong and what to do."""

    code = 2  # of the process that ends with it


class Interrupted(Refusal):
    """The work stopped before its end, as it was told to; nothing is lost, and the line says how to go on."""

    code = 130  # as after Ctrl-C


def first_line(error: BaseException) -> str:
    """What an error says, cut to one line of at most 100 characters; its type's name if it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:100]


def as_ours(value: object, choices: tuple[str, ...]) -> object:
    """The choice that `value` is in another spelling (RandomFog, ResNeXt50), else `value` itself."""
    if not isinstance(value, str) or value in choices:
        return value
    squeezed = re.sub(r"[\W_]", "", value).lower()
    ours = {choice.replace("_", ""): choice for choice in choices} | SPELLINGS
    return found if (found := ours.get(squeezed)) in choices else value


def did_you_mean(word: str, known: Iterable[str], otherwise: str, form: str = "{}", cutoff: float = 0.5) -> str:
    """A hint for an unknown `word`: the nearest of the `known`, put into `form`, or what is said otherwise."""
    near = difflib.get_close_matches(word, known, 1, cutoff)
    return f"did you mean {form.format(near[0])}?" if near else otherwise


def command() -> str:
    """The command that was typed, without its flags: "python FILE", or "python -m MODULE"."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    return f"python -m {spec.name.removesuffix('.__main__')}" if spec else f"python {sys.argv[0]}"


def _refuse(reason: str, code: int = Refusal.code) -> NoReturn:
    """Print it in one line, whatever a name or a value holds."""
    print(f"{command()}: " + r"\n".join(reason.splitlines()), file=sys.stderr)
    sys.exit(code)


def _one_line(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if isinstance(error, Refusal):
        _refuse(str(error), error.code)
    if isinstance(error, OSError) and error.errno in PLACES:
        _refuse(f"{error.filename or 'the disk'}: cannot be used ({error.strerror}); mend it or name another place")
    if isinstance(error, BrokenPipeError):  # whoever read the output has read enough, as in `… | head`
        os._exit(141)
    if isinstance(error, KeyboardInterrupt):
        print("stopped", file=sys.stderr)
        sys.exit(130)
    sys.__excepthook__(kind, error, trace)


sys.excepthook = _one_line
