"""Where every box of a drawn journey stands, with its text broken into lines that fit. Pure; units are CSS pixels.

Steps go downwards, branches lie side by side, the first on the reading side. There is no browser here to measure text,
so its width is estimated from above: a line may end early, it never runs out of its box.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from panel.journeys.drawing.tree import Branch, Node

BOX, PAD, ICON = 236.0, 12.0, 26.0
TEXT = BOX - 2 * PAD - ICON
LINE, SMALL = 18.0, 16.0
FONT, SMALL_FONT = 13.0, 12.0
GAP, DOWN, LABEL = 22.0, 26.0, 22.0
LINES, EDGE = 4, 12.0


@dataclass(frozen=True)
class Box:
    """One step. `lines` are its sentence, `notes` what happened there; `right` mirrors the text of a box."""

    node: Node
    x: float
    y: float
    width: float
    height: float
    lines: tuple[str, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Edge:
    """A line through points; `taken` when the run went this way, `ahead` when it still may."""

    points: tuple[tuple[float, float], ...]
    taken: bool
    ahead: bool = False

    @property
    def path(self) -> str:
        return "M" + " L".join(f"{x:g} {y:g}" for x, y in self.points)


@dataclass(frozen=True)
class Mark:
    """The words over a branch, or the beginning and the end: `kind` branch | start | end."""

    x: float
    y: float
    lines: tuple[str, ...]
    kind: str
    taken: bool | None = None


@dataclass(frozen=True)
class Picture:
    width: float
    height: float
    boxes: tuple[Box, ...]
    edges: tuple[Edge, ...]
    marks: tuple[Mark, ...]


def draw(
    nodes: Sequence[Node],
    start: str,
    end: str,
    *,
    notes: Callable[[Node], Sequence[str]] = lambda node: (),
    is_over: bool = False,
    mirrored: bool = False,
) -> Picture:
    """The picture of a tree between the words `start` and `end`. `notes` gives lines under a step's sentence."""
    pen = _Pen(notes)
    width = max(_width(nodes), BOX)
    middle = width / 2
    top = pen.mark(middle, EDGE, start, "start", taken=True)
    bottom = pen.column(nodes, middle, top, taken=True)
    reached = is_over and bool(nodes) and nodes[-1].state in ("done", "passed")
    ends = [(x, y, took) for x, y, took in pen.loose]
    y = bottom + DOWN
    for x, from_y, took in ends:
        pen.edge([(x, from_y), *_bend(x, middle, y - DOWN / 2), (middle, y)], took and reached, not is_over)
    height = pen.mark(middle, y, end, "end", taken=reached)
    found = Picture(width + 2 * EDGE, height + EDGE, tuple(pen.boxes), tuple(pen.edges), tuple(pen.marks))
    return _mirrored(found) if mirrored else _shifted(found, EDGE)


class _Pen:
    """Draws columns from the top. `loose` are the ends that wait for what follows: (x, y, whether the run took it)."""

    def __init__(self, notes: Callable[[Node], Sequence[str]]) -> None:
        self.boxes: list[Box] = []
        self.edges: list[Edge] = []
        self.marks: list[Mark] = []
        self.loose: list[tuple[float, float, bool]] = []
        self._notes = notes

    def mark(self, x: float, y: float, words: str, kind: str, *, taken: bool | None) -> float:
        lines = wrapped(words, BOX - 2 * PAD, SMALL_FONT, 3)
        self.marks.append(Mark(x, y, lines, kind, taken))
        below = y + len(lines) * SMALL + 12
        if kind == "start":
            self.loose = [(x, below, True)]
        return below

    def edge(self, points: Sequence[tuple[float, float]], taken: bool, ahead: bool) -> None:
        self.edges.append(Edge(tuple(points), taken, ahead))

    def column(self, nodes: Sequence[Node], middle: float, top: float, *, taken: bool) -> float:
        """Draw steps one below the other, from the loose ends above them; returns where they end."""
        bottom = top
        for node in nodes:
            y = bottom + DOWN
            visited = node.state in ("done", "passed", "here")
            for x, from_y, took in self.loose:
                points = [(x, from_y), *_bend(x, middle, y - DOWN / 2), (middle, y)]
                self.edge(points, took and visited and taken, node.state == "ahead")
            bottom = self._box(node, middle, y)
            self.loose = [(middle, bottom, visited and node.state != "here")]
            if node.verb == "stop":
                self.loose = []
            if node.branches:
                bottom = self._fork(node, middle, bottom)
        return bottom

    def _box(self, node: Node, middle: float, y: float) -> float:
        lines = wrapped(f"{node.words}", TEXT, FONT, LINES)
        notes = tuple(line for words in self._notes(node) for line in wrapped(words, TEXT, SMALL_FONT, 2))
        height = 2 * PAD + len(lines) * LINE + len(notes) * SMALL + (4 if notes else 0)
        self.boxes.append(Box(node, middle - BOX / 2, y, BOX, height, lines, notes))
        return y + height

    def _fork(self, node: Node, middle: float, top: float) -> float:
        widths = [_branch_width(one) for one in node.branches]
        x = middle - (sum(widths) + GAP * (len(widths) - 1)) / 2
        ends: list[tuple[float, float, bool]] = []
        deepest = top
        for branch, width in zip(node.branches, widths, strict=True):
            centre, y = x + width / 2, top + DOWN
            took = branch.taken is True
            self.edge([(middle, top), *_bend(middle, centre, top + DOWN / 2), (centre, y)], took, branch.taken is None)
            lines = wrapped(branch.words, BOX - 2 * PAD, SMALL_FONT, 2)
            self.marks.append(Mark(centre, y, lines, "branch", branch.taken))
            self.loose = [(centre, y + len(lines) * SMALL + 6, took)]
            below = self.column(branch.nodes, centre, self.loose[0][1], taken=True)
            if branch.goes_on:
                ends += self.loose
            deepest = max(deepest, below)
            x += width + GAP
        self.loose = ends
        return deepest


def _width(nodes: Sequence[Node]) -> float:
    return max((_node_width(one) for one in nodes), default=BOX)


def _node_width(node: Node) -> float:
    if not node.branches:
        return BOX
    return max(BOX, sum(_branch_width(one) for one in node.branches) + GAP * (len(node.branches) - 1))


def _branch_width(branch: Branch) -> float:
    return max(BOX, _width(branch.nodes)) if branch.nodes else BOX * 0.62


def _bend(from_x: float, to_x: float, y: float) -> list[tuple[float, float]]:
    return [] if from_x == to_x else [(from_x, y), (to_x, y)]


def _shifted(picture: Picture, by: float) -> Picture:
    return _moved(picture, lambda x: x + by, lambda box: box.x + by)


def _mirrored(picture: Picture) -> Picture:
    width = picture.width
    return _moved(picture, lambda x: width - EDGE - x, lambda box: width - EDGE - box.x - box.width)


def _moved(picture: Picture, point: Callable[[float], float], left: Callable[[Box], float]) -> Picture:
    return replace(
        picture,
        boxes=tuple(replace(box, x=left(box)) for box in picture.boxes),
        edges=tuple(replace(one, points=tuple((point(x), y) for x, y in one.points)) for one in picture.edges),
        marks=tuple(replace(one, x=point(one.x)) for one in picture.marks),
    )


def wrapped(words: str, width: float, font: float, most: int) -> tuple[str, ...]:
    """`words` in at most `most` lines that are no wider than `width` at this size of type; what is left out is "…"."""
    lines: list[str] = []
    line = ""
    for word in words.split():
        for part in _parts(word, width, font):
            longer = f"{line} {part}" if line else part
            if line and text_width(longer, font) > width:
                lines.append(line)
                line = part
            else:
                line = longer
    lines.append(line)
    if len(lines) <= most:
        return tuple(lines)
    last = lines[most - 1]
    while last and text_width(last + "…", font) > width:
        last = last[:-1]
    return (*lines[: most - 1], last.rstrip() + "…")


def _parts(word: str, width: float, font: float) -> list[str]:
    """A word that is wider than a line is cut."""
    parts = [""]
    for letter in word:
        if parts[-1] and text_width(parts[-1] + letter, font) > width:
            parts.append("")
        parts[-1] += letter
    return parts


def text_width(words: str, font: float) -> float:
    """How wide a text is at most, estimated; marks and directions take no room."""
    return sum(_em(letter) for letter in words) * font


def _em(letter: str) -> float:
    category = unicodedata.category(letter)
    if category in ("Mn", "Cf"):
        return 0.0
    if unicodedata.east_asian_width(letter) in ("W", "F"):
        return 1.05
    if letter in "iljI.,:;'|!()[] ·״׳":
        return 0.34
    if letter in "mwMW@%—…":
        return 0.96
    return 0.72 if category == "Lu" else 0.62
