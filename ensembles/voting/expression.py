"""A vote as text -> the vote: parsed, never evaluated.

A call of a word the vote knows, a positive number times a vote, a run's name in quotes, strings and whole numbers
as arguments: nothing else is understood, whatever it would do.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any, NoReturn

from core.refusal import Refusal
from ensembles.voting.nodes import Node

Words = dict[str, Callable[..., Node]]


def parse(text: str, words: Words) -> Node:
    """The vote that `text` says with these words; a bare 'KERNEL/NAME' among a vote's members is that run.

    Raises:
        Refusal: what is no expression, or asks for anything but the vote's own words.
    """
    try:
        tree = ast.parse(text.strip(), mode="eval").body
        return _vote(tree, words)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        if isinstance(error, Refusal):
            raise
        raise Refusal(f"cannot read {_short(text)!r} as a vote ({getattr(error, 'msg', None) or error})") from None


def _vote(tree: ast.expr, words: Words) -> Node:
    match tree:
        case ast.Constant(value=str(name)):
            return words["run"](name)
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            weight, member = (left, right) if _is_number(left) else (right, left)
            return _vote(member, words) * _number(weight)
        case ast.Call(func=ast.Name(id=word), args=given, keywords=named) if word in words:
            named_values = {each.arg or _refuse(tree): _value(each.value) for each in named}
            over_votes = word in ("soft", "hard")
            values = [_vote(each, words) if over_votes else _value(each) for each in given]
            try:
                return words[word](*values, **named_values)
            except TypeError as error:
                raise Refusal(f"{_short(ast.unparse(tree))}: {error}") from None
        case _:
            return _refuse(tree, words)


def _is_number(tree: ast.expr) -> bool:
    return isinstance(tree, ast.Constant | ast.UnaryOp) and not isinstance(getattr(tree, "value", None), str)


def _number(tree: ast.expr) -> float:
    """A literal number, signed or not; the vote itself refuses what is no weight."""
    value = _value(tree.operand) if isinstance(tree, ast.UnaryOp) else _value(tree)
    return -value if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.USub) else value


def _value(tree: ast.expr) -> Any:
    if isinstance(tree, ast.Constant) and isinstance(tree.value, str | int | float):
        return tree.value
    return _refuse(tree)


def _refuse(tree: ast.expr, words: Words | None = None) -> NoReturn:
    known = f"; a vote is made of {', '.join(words)}, weights and run names in quotes" if words else ""
    raise Refusal(f"cannot vote with {_short(ast.unparse(tree))!r}{known}")


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."
