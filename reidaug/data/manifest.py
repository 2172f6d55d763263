"""Manifests: tables of the files of a dataset, as Parquet files."""

from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from reidaug.errors import ReidaugError
from reidaug.files import atomic_write

ROWS_AT_ONCE = 50_000


def write_manifest(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a table atomically and deterministically.

    Args:
        path: The file; its folder must exist.
        rows: Records with the same keys: text, numbers, booleans or None. Of an iterator no more
            than `ROWS_AT_ONCE` are held at a time; the first of these decide the types.

    Raises:
        ValueError: A row has other keys or types than the first ones.
    """
    rest = iter(rows)
    with atomic_write(path) as partial:
        first = _table(list(islice(rest, ROWS_AT_ONCE)), None)
        with pq.ParquetWriter(partial, first.schema, compression="zstd") as writer:
            writer.write_table(first)
            while chunk := list(islice(rest, ROWS_AT_ONCE)):
                writer.write_table(_table(chunk, first.schema))


def read_manifest(path: Path) -> list[dict[str, Any]]:
    """Read the rows of a table of `write_manifest`, as written.

    Raises:
        ReidaugError: The file is missing or no Parquet file.
    """
    try:
        rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
        return rows
    except FileNotFoundError:
        raise ReidaugError(f"{path}: no such table") from None
    except (OSError, pa.ArrowException):
        raise ReidaugError(f"{path}: not readable as a Parquet table") from None


def _table(rows: list[Mapping[str, Any]], schema: pa.Schema | None) -> pa.Table:
    keys = schema.names if schema is not None else list(rows[0]) if rows else []
    for row in rows:
        if row.keys() != set(keys):
            raise ValueError(f"columns {list(row)} in a table of {keys}")
    columns = [[row[key] for row in rows] for key in keys]
    if schema is None:
        return pa.table(dict(zip(keys, columns, strict=True)))
    try:
        return pa.table(columns, schema=schema)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise ValueError(f"types of {keys} change along the table: {error}") from None
