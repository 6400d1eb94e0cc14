"""Bad input ends in one line on stderr and exit code 2; a fault of ours still shows its traceback.

Every entry point (kernels, ensembles, ``python -m core.…``) gets this by importing anything of
the core that can refuse, so an expression at module level in an ensemble is covered too.
"""

import sys


class Refusal(ValueError):
    """What the user gave cannot be used; the text is one line that says what is wrong and what to do."""


def _one_line(kind, error, trace) -> None:
    if issubclass(kind, Refusal):
        print(f"{sys.argv[0]}: {error}", file=sys.stderr)
        sys.exit(2)
    if issubclass(kind, KeyboardInterrupt):
        print("stopped", file=sys.stderr)
        sys.exit(130)
    sys.__excepthook__(kind, error, trace)


sys.excepthook = _one_line
