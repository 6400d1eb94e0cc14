"""A recipe's name and the way back: `effb0-lr0.0001-seed1` is the backbone and the flags off their defaults."""

from __future__ import annotations

import ast
import re
from dataclasses import fields
from typing import Any

from core import disk, places
from core.flags import TAGS
from core.recipe import ELSEWHERE, MACHINE, Protocol

LONGEST, LONGEST_NAME = 24, 120


def results(recipe: Any) -> dict[str, Any]:
    """The fields that decide what a run finds, as JSON would give them back."""
    values = {
        field.name: getattr(recipe, field.name) for field in fields(recipe) if field.name not in (*MACHINE, *ELSEWHERE)
    }
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def run_name(recipe: Any) -> str:
    """--name, else the backbone and whatever differs from the kernel's defaults; a smoke run is named so."""
    defaults = {field.name: field.default for field in fields(recipe)}
    found = results(recipe)
    parts = [_safe(recipe.backbone)]
    parts += [
        f"{name}{_safe(getattr(recipe, name))}"
        for name in found
        if name != "backbone" and getattr(recipe, name) != defaults[name]
    ]
    name = "-".join(parts)
    if len(name) > LONGEST_NAME:
        name = f"{name[: LONGEST_NAME - 20]}-{disk.text_digest(name)[:8]}"
    return (recipe.name or name) + ("-smoke" if recipe.smoke else "")


def _safe(value: Any) -> str:
    if isinstance(value, tuple):
        value = "+".join(map(str, value)) or "none"
    text = str(value)
    return text if re.fullmatch(rf"[\w.+-]{{1,{LONGEST}}}", text) else disk.text_digest(text)[:8]


def command(name: str) -> str:
    """The command that would make the run KERNEL/NAME; --name where the name does not say all of it."""
    kernel, slash, run = name.partition("/")
    if not slash or not run:
        return "a name of the form KERNEL/NAME"
    source = places.HOME / "kernels" / kernel / "run.py"
    if not source.is_file():
        return f"a kernel of the name {kernel} (there is none in kernels/)"
    known = "|".join(sorted(_flags(source.read_text(encoding="utf-8")), key=len, reverse=True))
    backbone, *parts = re.split(rf"-(?={known})", run)
    given = [(found[1], found[2]) for found in (re.fullmatch(rf"({known})(.+)", part) for part in parts) if found]
    hashed = any(re.fullmatch(r"[0-9a-f]{8}", value) for _, value in given)
    if backbone not in TAGS or len(given) < len(parts) or hashed or run.endswith("-smoke"):
        return f"python kernels/{kernel}/run.py --name {run.removesuffix('-smoke')}{' --smoke' if run.endswith('-smoke') else ''}"
    flags = [f"--{name.replace('_', '-')} {re.sub(r'(?<![eE])[+]', ',', value)}" for name, value in given]
    return " ".join([f"python kernels/{kernel}/run.py --backbone {backbone}", *flags])


def _flags(source: str) -> set[str]:
    """Field names of the kernel's Recipe, read without importing it (and torch)."""
    recipe = next(
        (node for node in ast.parse(source).body if isinstance(node, ast.ClassDef) and node.name == "Recipe"), None
    )
    own = (
        {
            node.target.id
            for node in recipe.body
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
        }
        if recipe
        else set()
    )
    return own | {field.name for field in fields(Protocol)}
