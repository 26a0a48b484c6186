"""Sets of ids and values in SQL: one bound value however large the set, so that the statement is compiled once."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, Connection, String, any_, bindparam, cast, func, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import InstrumentedAttribute, Session

from panel.copying import to_json
from panel.db import connection_of


def among(
    session: Session | Connection, column: InstrumentedAttribute[Any], values: Collection[Any]
) -> ColumnElement[bool]:
    """`column` is one of `values` (numbers or texts): an array on PostgreSQL, json_each on SQLite."""
    if connection_of(session).dialect.name == "postgresql":
        # As text: the driver spends a microsecond on each member of a list. In a subquery: the server reads such a text
        # anew for every row that it compares, unless it is told to do it once.
        kind = ARRAY(column.type)
        once = select(cast(bindparam(None, _array(values), type_=String(), unique=True), kind)).scalar_subquery()
        return column == any_(cast(once, kind))
    each = func.json_each(bindparam(None, to_json(list(values)), type_=String(), unique=True)).table_valued("value")
    return column.in_(select(each.c.value))


def _array(values: Collection[Any]) -> str:
    """An array as PostgreSQL reads it. Members are numbers or texts."""
    return "{" + ",".join([_quoted(one) if isinstance(one, str) else str(one) for one in values]) + "}"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
