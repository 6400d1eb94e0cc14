"""Plots of a comparison, as Plotly figures. The page sets their colours, which follow its light and dark scheme."""

import html
import json
from typing import Any

import plotly.graph_objects as go

from core import labels
from submissions.compare.comparison import Comparison
from submissions.compare.leaderboard import Entries

#: A figure as JSON: "data" and "layout".
Figure = dict[str, Any]
#: (number, name, [value, low, high] out of fold, score on the leaderboard) of a submission.
Point = tuple[str, str, list[float], float]
#: Pixels of a heat map: a cell's height and least width, a letter of a row's name, the room for the numbers above.
CELL, LEAST_CELL, LETTER, ABOVE = 27, 44, 8, 32


def agreement(comparison: Comparison) -> Figure:
    """(k, k) share of equal test predictions; the diagonal, always 1, is empty so that the colours show the others."""
    shares = comparison.agreement
    names, numbers = _numbered_names(comparison), [str(number + 1) for number in range(len(shares))]
    z = [[None if i == j else share for j, share in enumerate(row)] for i, row in enumerate(shares.tolist())]
    text = [["" if value is None else f"{value * 100:.1f}" for value in row] for row in z]
    hover = [[f"{one}<br>{other}" for other in names] for one in names]
    heat_map = go.Heatmap(z=z, x=numbers, y=names, text=text, customdata=hover, zmax=1)
    heat_map.hovertemplate = "%{customdata}<br>agree on %{text} % of the test images<extra></extra>"
    return _heat_map_figure(heat_map, max(CELL, min(48, 280 // len(shares))))


def class_f1(comparison: Comparison) -> Figure:
    """(18, k) out-of-fold F1 of each class; in bold the best of the submissions that predict every row."""
    indices = range(len(comparison.submissions))
    f1 = {index: scores["class_f1"] for index in indices if (scores := comparison.scores(index))}
    complete = [index for index in f1 if len(set(comparison.row_counts(index))) == 1]
    best = [max((f1[index][label] for index in complete), default=2.0) for label in range(18)]
    bold = [[index in complete and f1[index][label] == best[label] for index in f1] for label in range(18)]
    z = [[each[label] for each in f1.values()] for label in range(18)]
    cells = [zip(*rows, strict=True) for rows in zip(z, bold, strict=True)]
    text = [[f"<b>{value:.2f}</b>" if is_best else f"{value:.2f}" for value, is_best in row] for row in cells]
    names, classes = _numbered_names(comparison), [html.escape(name) for name in labels.CLASSES]
    hover = [[names[index] for index in f1]] * 18
    heat_map = go.Heatmap(z=z, x=[str(index + 1) for index in f1], y=classes, text=text, customdata=hover)
    heat_map.update(zmin=0, zmax=1, hovertemplate="%{customdata}<br>%{y}<br>F1 %{z:.4f}<extra></extra>")
    return _heat_map_figure(heat_map, CELL)


def against_leaderboard(comparison: Comparison, entries: Entries) -> Figure | None:
    """Out-of-fold macro F1 with its interval against the leaderboard's; None if no score is known."""
    figure = go.Figure()
    for column, symbol in (("public_f1", "circle"), ("private_f1", "diamond")):
        points: list[Point] = [
            (f"{index + 1}", html.escape(name), scores["macro_f1"], float(entries[name][column]))
            for index, name in enumerate(comparison.names)
            if (scores := comparison.scores(index)) and entries.get(name, {}).get(column)
        ]
        if points:
            figure.add_trace(_scatter(points, column.replace("_f1", ""), symbol))
    if not figure.data:
        return None
    figure.update_xaxes(title="out-of-fold macro F1").update_yaxes(title="leaderboard macro F1")
    low, *_, high = sorted(value for trace in figure.data for value in (*trace.x, *trace.y))
    figure.add_shape(type="line", x0=low, y0=low, x1=high, y1=high, line={"dash": "dot", "width": 1}, layer="below")
    figure.update_layout(height=360, margin={"l": 60, "r": 16, "t": 12, "b": 52}, legend={"orientation": "h", "y": 1.1})
    return _as_json(figure)


def _scatter(points: list[Point], name: str, symbol: str) -> go.Scatter:
    numbers, names, values, scores = zip(*points, strict=True)
    errors = [(value[0] - value[1], value[2] - value[0]) if len(value) > 1 else (0.0, 0.0) for value in values]
    low, high = zip(*errors, strict=True)
    scatter = go.Scatter(x=[value[0] for value in values], y=scores, text=numbers, hovertext=names, name=name)
    scatter.update(mode="markers+text", textposition="middle center", cliponaxis=False)
    scatter.error_x = {"array": high, "arrayminus": low, "thickness": 1, "width": 3}
    scatter.marker = {"symbol": symbol, "size": 20 if symbol == "circle" else 23, "line": {"width": 1}}
    scatter.hovertemplate = f"%{{hovertext}}<br>out of fold %{{x:.4f}}<br>{name} %{{y:.4f}}<extra></extra>"
    return scatter


def _heat_map_figure(heat_map: go.Heatmap, cell: int) -> Figure:
    heat_map.update(texttemplate="%{text}", xgap=2, ygap=2, showscale=False, hoverongaps=False)
    left = LETTER * max(len(html.unescape(name)) for name in heat_map.y) + LETTER
    figure = go.Figure(heat_map)
    figure.update_xaxes(type="category", side="top", showgrid=False, showline=False, ticks="")
    figure.update_yaxes(type="category", autorange="reversed", showgrid=False, showline=False, ticks="")
    figure.update_layout(height=len(heat_map.y) * cell + ABOVE + 8, margin={"l": left, "r": 4, "t": ABOVE, "b": 8})
    width = len(heat_map.x) * LEAST_CELL
    figure.update_layout(meta={"least": left + width, "most": left + 3 * width})
    return _as_json(figure)


def _as_json(figure: go.Figure) -> Figure:
    """The figure without the default template's colours, and without dragging, which would block scrolling by touch."""
    figure.update_layout(template="none", dragmode=False, paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)")
    figure.update_xaxes(fixedrange=True, zeroline=False).update_yaxes(fixedrange=True, zeroline=False)
    return json.loads(figure.to_json())


def _numbered_names(comparison: Comparison) -> list[str]:
    """ "1 final": the names of a heat map's rows; a long name is cut, and the number still identifies it."""
    names = [name if len(name) <= 18 else f"{name[:17]}…" for name in comparison.names]
    return [f"{number} {html.escape(name)}" for number, name in enumerate(names, 1)]
