"""A recipe's name and the way back: `effb0-lr0.0001-seed1` is the backbone and the flags off their defaults."""

import ast
import os
import re
from dataclasses import fields
from decimal import Decimal

from core import disk, places
from core.flags import TAGS, PerTask, Value, flag_name
from core.labels import TASKS
from core.recipe import ELSEWHERE, MACHINE, Shared, Values, values
from core.refusal import Refusal

LONGEST, LONGEST_NAME = 24, 120


def results(recipe: Shared) -> Values:
    """The fields that decide what a run finds, as JSON gives them back."""
    return {name: value for name, value in values(recipe).items() if name not in (*MACHINE, *ELSEWHERE)}


def run_name(recipe: Shared) -> str:
    """--name, else the backbone and whatever differs from the kernel's defaults; a smoke run is named so.

    A value of one task reads `age.lr1e-3`; a backbone that differs by task is named after that of the first task.
    """
    defaults = {field.name: field.default for field in fields(recipe)}
    own = {name: getattr(recipe, name) for name in results(recipe)}
    defaults["backbone"] = backbone = own["backbone"].mask if isinstance(own["backbone"], PerTask) else own["backbone"]
    parts = [part for name, value in own.items() for part in _differing(name, value, defaults[name])]
    name = "-".join([_safe(backbone), *parts])
    if len(name) > LONGEST_NAME:
        name = f"{name[: LONGEST_NAME - 20]}-{disk.text_digest(name)[:8]}"
    return (recipe.name or name) + ("-smoke" if recipe.smoke else "")


def require_plain(name: str) -> None:
    """Refuses a name that no folder can have, or that would be hidden."""
    plain = name.isprintable() and name == name.strip() and os.sep not in name and not name.startswith(".")
    if not plain or len(os.fsencode(name)) > LONGEST_NAME:
        form = f"a plain name without {os.sep} or a leading dot, at most {LONGEST_NAME} bytes"
        raise Refusal(f"--name {name}: must be {form}")


def _differing(name: str, value: Value, default: Value) -> list[str]:
    """The parts of a run's name that name this field."""
    if not isinstance(value, PerTask):
        return [f"{name}{_safe(value)}"] if value != default else []
    usual = default if isinstance(default, PerTask) else PerTask(default, default, default)
    if value.is_same:
        return [f"{name}{_safe(value.mask)}"] if value != usual else []
    return [f"{task}.{name}{_safe(_short(value.of(task)))}" for task in TASKS if value.of(task) != usual.of(task)]


def _short(value: Value) -> Value:
    """A number in its shorter form: 1e-4, not 0.0001, and 5, not 5.0."""
    if not isinstance(value, float):
        return value
    number = Decimal(repr(value)).normalize()
    return min(f"{number:f}", f"{number:e}".replace("e+0", "").replace("e-0", "e-"), key=len)


def _safe(value: Value) -> str:
    """As a name may hold it; a run, KERNEL/NAME, with ~ for its slash. What is long, or reads as flags, is hashed."""
    if isinstance(value, tuple):
        value = "+".join(map(str, value)) or "none"
    text = str(value)
    if re.fullmatch(rf"\w+/\w{{1,{LONGEST}}}", text):
        return text.replace("/", "~")
    return text if re.fullmatch(rf"[\w.+-]{{1,{LONGEST}}}", text) else disk.text_digest(text)[:8]


def command(name: str) -> str:
    """The command that would make the run KERNEL/NAME; --name where the name does not say all of it."""
    kernel, slash, run = name.partition("/")
    if not slash or not run:
        return "a name of the form KERNEL/NAME"
    source = places.HOME / "kernels" / kernel / "run.py"
    if not source.is_file():
        return f"a kernel of the name {kernel} (there is none in kernels/)"
    script = f"python kernels/{kernel}/run.py"
    known = "|".join(sorted(_fields(source.read_text(encoding="utf-8")), key=len, reverse=True))
    form = rf"(?:({'|'.join(TASKS)})\.)?({known})(.+)"
    backbone, *parts = re.split(rf"-(?=(?:(?:{'|'.join(TASKS)})\.)?(?:{known}))", run)
    parsed = [(found[1], found[2], found[3]) for part in parts if (found := re.fullmatch(form, part))]
    hashed = any(re.fullmatch(r"[0-9a-f]{8}", value) for *_, value in parsed)
    if backbone not in TAGS or len(parsed) < len(parts) or hashed or run.endswith("-smoke"):
        return f"{script} --name {run.removesuffix('-smoke')}{' --smoke' if run.endswith('-smoke') else ''}"
    return " ".join([script, *_flags(backbone, parsed)])


def _flags(backbone: str, parsed: list[tuple[str, str, str]]) -> list[str]:
    """--FLAG VALUE of each field, the tasks of one field in one flag."""
    texts = {"backbone": [backbone]}
    if named := {task: value for task, name, value in parsed if name == "backbone"}:
        texts["backbone"] = [f"{task}={named.get(task, backbone)}" for task in TASKS]
    for task, name, value in parsed:
        if name != "backbone":
            value = value.replace("~", "/") if task else re.sub(r"(?<![eE])[+]", ",", value.replace("~", "/"))
            texts.setdefault(name, []).append(f"{task}={value}" if task else value)
    return [f"--{flag_name(name)} {','.join(parts)}" for name, parts in texts.items()]


def _fields(source: str) -> set[str]:
    """Field names of the kernel's Recipe, read without importing it (and torch)."""
    kinds = [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef) and node.name == "Recipe"]
    own = [node.target for kind in kinds for node in kind.body if isinstance(node, ast.AnnAssign)]
    return {node.id for node in own if isinstance(node, ast.Name)} | {field.name for field in fields(Shared)}
