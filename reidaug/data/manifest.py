"""Manifests: tables of the files of a dataset, as Parquet files."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from reidaug.errors import ReidaugError
from reidaug.files import atomic_write, check_regular

ROWS_AT_ONCE = 50_000
MOST_BYTES = 2**31  # of a table's unpacked columns
_WORDS = {str: "text", bool: "yes or no", int: "whole numbers", float: "finite numbers"}


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


def read_manifest(
    path: Path, columns: Mapping[str, type] = MappingProxyType({})
) -> list[dict[str, Any]]:
    """Read the rows of a table of `write_manifest`, as written.

    Args:
        path: The file.
        columns: Columns that it must have, and whether they hold text, booleans, whole numbers
            (``int``) or finite numbers (``float``); in none of their rows is nothing.

    Raises:
        ReidaugError: The file is missing, no regular or no Parquet file, claims too many rows, or
            a column is missing or holds something else.
    """
    size = check_regular(path, what="table")
    try:
        with pq.ParquetFile(path) as file:
            facts = file.metadata
            unpacked = sum(facts.row_group(k).total_byte_size for k in range(facts.num_row_groups))
            # Every row names a file of its own, so that it cannot be packed into nothing.
            if facts.num_rows > size or unpacked > MOST_BYTES:
                raise ReidaugError(
                    f"{path}: not read, for its {size:,} bytes claim {facts.num_rows:,} rows in "
                    f"{unpacked >> 20:,} MiB"
                )
            rows: list[dict[str, Any]] = file.read().to_pylist()
    except ReidaugError:
        raise
    except Exception:  # of damaged files, and of dates that no calendar has
        raise ReidaugError(f"{path}: not readable as a Parquet table") from None
    for name, kind in columns.items():
        if not all(name in row and _is(row[name], kind) for row in rows):
            raise ReidaugError(f"{path}: its column {name!r} is missing, or no {_WORDS[kind]}")
    return rows


def manifest_parts(path: Path, columns: Sequence[str]) -> Iterator[dict[str, list[Any]]]:
    """Read some columns of a table of `write_manifest`, `ROWS_AT_ONCE` rows at a time.

    Args:
        path: The file.
        columns: Columns that it must have.

    Yields:
        The values of some rows by column.

    Raises:
        ReidaugError: The file is missing or damaged, or lacks a column.
    """
    check_regular(path, what="table")
    try:
        with pq.ParquetFile(path) as file:
            if missing := [name for name in columns if name not in file.schema_arrow.names]:
                raise ReidaugError(f"{path}: its column {missing[0]!r} is missing")
            for part in file.iter_batches(batch_size=ROWS_AT_ONCE, columns=list(columns)):
                yield part.to_pydict()
    except (pa.ArrowException, OSError, ValueError):
        raise ReidaugError(f"{path}: not readable as a Parquet table") from None


def _is(value: Any, kind: type) -> bool:
    """Decide whether a value of a column is of its kind."""
    if kind is float:
        return type(value) in (int, float) and math.isfinite(value)
    return type(value) is kind


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
