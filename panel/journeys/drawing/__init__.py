"""A journey as a picture with one run's path through it: the tree of its steps, and where each box stands. Pure."""

from panel.journeys.drawing.layout import Box, Edge, Mark, Picture, draw
from panel.journeys.drawing.tree import Branch, Node, Visit, between, tree, walk, way_words

__all__ = ["Box", "Branch", "Edge", "Mark", "Node", "Picture", "Visit", "between", "draw", "tree", "walk", "way_words"]
