"""Plots of a comparison, as Plotly figures. The page gives them its colours, so that they follow light and dark."""

from __future__ import annotations

import html
import json
from typing import Any

import plotly.graph_objects as go

from core import labels
from submissions.compare import leaderboard
from submissions.compare.comparison import Comparison

Figure = dict[str, Any]
#: Pixels of a heat map: a cell's usual height and its least width, a letter of a name beside it, the numbers above.
CELL, LEAST_CELL, LETTER, ABOVE = 27, 44, 8, 32


def agreement(found: Comparison) -> Figure:
    """(k, k) share of equal test answers; the diagonal, always 1, is left empty so that the others show."""
    shares = found.agreement
    number = len(shares)
    z = [[None if i == j else float(shares[i, j]) for j in range(number)] for i in range(number)]
    names = _numbered(found)
    text = [["" if value is None else f"{value * 100:.1f}" for value in row] for row in z]
    hover = [[f"{names[i]}<br>{names[j]}" for j in range(number)] for i in range(number)]
    map_ = go.Heatmap(z=z, x=_numbers(number), y=names, text=text, customdata=hover, zmax=1)
    map_.hovertemplate = "%{customdata}<br>answer %{text} % of the test images alike<extra></extra>"
    return _heat_map(map_, cell=max(CELL, min(48, 280 // number)))


def class_f1(found: Comparison) -> Figure:
    """(18, k) out-of-fold F1 of each class; in bold each class's best of those that answer every row."""
    told = {which: scores for which in range(len(found.submissions)) if (scores := found.scores(which))}
    whole = [which for which in told if len(set(found.answered(which))) == 1]
    best = [max((told[which]["class_f1"][label] for which in whole), default=2.0) for label in range(18)]
    z = [[scores["class_f1"][label] for scores in told.values()] for label in range(18)]
    text = [
        [_bold(f"{z[label][at]:.2f}", which in whole and z[label][at] == best[label]) for at, which in enumerate(told)]
        for label in range(18)
    ]
    names = _numbered(found)
    hover = [[names[which] for which in told]] * 18
    map_ = go.Heatmap(z=z, x=[str(which + 1) for which in told], y=_classes(), text=text, customdata=hover)
    map_.update(zmin=0, zmax=1, hovertemplate="%{customdata}<br>%{y}<br>F1 %{z:.4f}<extra></extra>")
    return _heat_map(map_, CELL)


def against_board(found: Comparison, board: dict[str, leaderboard.Line]) -> Figure | None:
    """Out-of-fold macro F1 with its interval against the leaderboard's; None while no score is known."""
    drawn = go.Figure()
    for column, symbol in (("public_f1", "circle"), ("private_f1", "diamond")):
        points = [
            (f"{which + 1}", html.escape(one.name), scores["macro_f1"], float(board[one.name][column]))
            for which, one in enumerate(found.submissions)
            if (scores := found.scores(which)) and board.get(one.name, {}).get(column)
        ]
        if points:
            drawn.add_trace(_points(points, column.replace("_f1", ""), symbol))
    if not drawn.data:
        return None
    drawn.update_xaxes(title="out-of-fold macro F1")
    drawn.update_yaxes(title="leaderboard macro F1")
    drawn.add_shape(type="line", x0=0, y0=0, x1=1, y1=1, line={"dash": "dot", "width": 1}, layer="below")
    drawn.update_xaxes(range=_around([end for trace in drawn.data for end in _ends(trace)]))
    drawn.update_yaxes(range=_around([value for trace in drawn.data for value in trace.y]))
    drawn.update_layout(height=360, margin={"l": 60, "r": 16, "t": 12, "b": 52}, legend={"orientation": "h", "y": 1.1})
    return _plain(drawn)


def _points(points: list[tuple[str, str, list[float], float]], name: str, symbol: str) -> go.Scatter:
    numbers, names, values, scores = zip(*points, strict=True)
    arms = [(value[0] - value[1], value[2] - value[0]) if len(value) > 1 else (0.0, 0.0) for value in values]
    low, high = zip(*arms, strict=True)
    return go.Scatter(
        x=[value[0] for value in values],
        y=scores,
        text=numbers,
        hovertext=names,
        name=name,
        mode="markers+text",
        textposition="middle center",
        marker={"symbol": symbol, "size": 20 if symbol == "circle" else 23, "line": {"width": 1}},
        error_x={"array": high, "arrayminus": low, "thickness": 1, "width": 3},
        cliponaxis=False,
        hovertemplate=f"%{{hovertext}}<br>out of fold %{{x:.4f}}<br>{name} %{{y:.4f}}<extra></extra>",
    )


def _ends(trace: go.Scatter) -> list[float]:
    arms = zip(trace.x, trace.error_x.arrayminus, trace.error_x.array, strict=True)
    return [end for at, low, high in arms for end in (at - low, at + high)]


def _around(values: list[float]) -> list[float]:
    room = max(0.01, 0.12 * (max(values) - min(values)))
    return [min(values) - room, max(values) + room]


def _heat_map(map_: go.Heatmap, cell: int) -> Figure:
    map_.update(texttemplate="%{text}", xgap=2, ygap=2, showscale=False, hoverongaps=False)
    beside = LETTER * max(len(html.unescape(name)) for name in map_.y) + LETTER
    drawn = go.Figure(map_)
    drawn.update_xaxes(type="category", side="top", showgrid=False, showline=False, ticks="")
    drawn.update_yaxes(type="category", autorange="reversed", showgrid=False, showline=False, ticks="")
    drawn.update_layout(
        height=len(map_.y) * cell + ABOVE + 8,
        margin={"l": beside, "r": 4, "t": ABOVE, "b": 8},
        meta={"least": beside + len(map_.x) * LEAST_CELL, "most": beside + len(map_.x) * 3 * LEAST_CELL},
    )
    return _plain(drawn)


def _plain(drawn: go.Figure) -> Figure:
    """The figure without the default template's colours and without dragging, which would hold up a scrolling thumb."""
    drawn.update_layout(template="none", dragmode=False, paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)")
    drawn.update_xaxes(fixedrange=True, zeroline=False)
    drawn.update_yaxes(fixedrange=True, zeroline=False)
    return json.loads(drawn.to_json())


def _bold(text: str, best: bool) -> str:
    return f"<b>{text}</b>" if best else text


def _classes() -> list[str]:
    return [html.escape(name) for name in labels.CLASSES]


def _numbers(number: int) -> list[str]:
    return [str(which + 1) for which in range(number)]


def _numbered(found: Comparison) -> list[str]:
    """ "1 final": names as they stand beside a heat map, cut where they would not fit, and told apart by the number."""
    return [
        f"{which} {html.escape(one.name if len(one.name) <= 18 else one.name[:17] + '…')}"
        for which, one in enumerate(found.submissions, 1)
    ]
