"""Parses a vote from text, without running the text as Python.

Allowed are calls of the given functions, a positive number times a vote, and strings, numbers and several of them as
arguments. Everything else is refused.
"""

import ast
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn

from core.refusal import Refusal
from ensembles.voting.nodes import Node

Functions = dict[str, Callable[..., Node]]


def parse(text: str, functions: Functions) -> Node:
    """The vote that `text` describes with these functions; a bare 'KERNEL/NAME' among a vote's members is that run.
    Refuses: text that is no expression, or that uses anything else."""
    try:
        return _vote(ast.parse(text.strip(), mode="eval").body, functions)
    except Refusal:
        raise
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise Refusal(f"cannot read {_short(text)!r} as a vote ({getattr(error, 'msg', None) or error})") from None


def _vote(tree: ast.expr, functions: Functions) -> Node:
    match tree:
        case ast.Constant(value=str(name)):
            return functions["run"](name)
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            weight, member = (right, left) if isinstance(left, ast.Call) or _is_text(left) else (left, right)
            return _vote(member, functions) * _literal(weight)
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=keywords) if name in functions:
            named_values = {keyword.arg or _refuse(tree): _literal(keyword.value) for keyword in keywords}
            over_votes = name in ("soft", "hard", "adjust")
            values = [_vote(each, functions) if over_votes else _literal(each) for each in arguments]
            try:
                return functions[name](*values, **named_values)
            except TypeError as error:
                raise Refusal(f"{_short(ast.unparse(tree))}: {error}") from None
        case _:
            return _refuse(tree, functions)


def _is_text(tree: ast.expr) -> bool:
    return isinstance(tree, ast.Constant) and isinstance(tree.value, str)


def _literal(tree: ast.expr) -> Any:
    """A text, a number, or several in brackets; the function or the node that takes it refuses what does not fit."""
    with suppress(ValueError):
        if isinstance(value := ast.literal_eval(tree), str | int | float | tuple):
            return value
    return _refuse(tree)


def _refuse(tree: ast.expr, functions: Functions | None = None) -> NoReturn:
    known = f"; a vote is made of {', '.join(functions)}, weights and run names in quotes" if functions else ""
    raise Refusal(f"cannot vote with {_short(ast.unparse(tree))!r}{known}")


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."
