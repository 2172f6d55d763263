"""Changes of valid files: bytes, tokens of text, values of JSON, columns of tables."""

import json
import math
import re
import struct
from collections.abc import Callable, Sequence
from io import BytesIO
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

Mutate = Callable[[Random, bytes], bytes]

NUMBERS = (
    0, -1, 1, 2, 0.5, 255, 256, 65535, 65536, 1e5, -1e6, 2**31 - 1, 2**31, 2**32, 2**53, 2**63 - 1,
    2**63, 2**64, 10**30, 1e38, 1e39, 1e308, -1e308, 1e-320, math.inf, -math.inf, math.nan,
)  # fmt: skip
TEXTS = (
    "", " ", "0", "-1", "nan", "1e999", "null", "~", "../x", "/dev/zero", "a" * 300, "a/" * 3000,
    "\0", "\n", "\r", "\t", ":", "ü", "\u202e", "\ufeff", "\U0001f600",
    "٣", "²", "½", "İ", "e\u0301",
)  # fmt: skip
VALUES = (*NUMBERS, *TEXTS, "\ud800", None, True, False, (), {}, ((),), ({},), {"a": {"b": ()}})
TOKENS = (
    *map(repr, NUMBERS), *TEXTS,
    "[", "]", "{", "}", ",", '"', "'", "\\", "\\ud800", "&a", "*a", "!!x",
    "!!python/object:os.system", "<<:", "- ", "? ", "| ", "%", "@", "`", "0x", "0b", "1_0", "1:20",
    "2001-99-99", ".inf", "[" * 3000, "{a: " * 500, "9" * 5000,
)  # fmt: skip


def bytes_changed(draw: Random, content: bytes) -> bytes:
    """Change, cut, insert, remove or repeat some bytes."""
    changed = bytearray(content)
    for _ in range(draw.choice((1, 1, 2, 4, 16))):
        at, length = draw.randint(0, len(changed)), draw.choice((1, 2, 4, 8, 64, 1024))
        kind = draw.randrange(8)
        if kind == 0 and draw.random() < 0.3:
            del changed[at:]
        elif kind == 1:
            changed[at:at] = bytes(draw.randrange(256) for _ in range(min(length, 64)))
        elif kind == 2:
            del changed[at : at + length]
        elif kind == 3:
            changed[at:at] = changed[at : at + length] * draw.choice((1, 2, 50))
        elif kind == 4:
            changed[at : at + min(length, 8)] = _packed(draw, min(length, 8))
        elif at < len(changed):
            changed[at] = draw.choice((0, 255, 127, 128, changed[at] ^ (1 << draw.randrange(8))))
    return bytes(changed)


def _packed(draw: Random, length: int) -> bytes:
    """An extreme number in some bytes."""
    if length == 8 and draw.random() < 0.3:
        return struct.pack(draw.choice("<>") + "d", draw.choice((math.nan, math.inf, 1e308)))
    bits = 8 * length
    number = draw.choice((0, 1, 2 ** (bits - 1) - 1, 2 ** (bits - 1), 2**bits - 1, 2**bits // 3))
    return number.to_bytes(length, draw.choice(("little", "big")))


def text_changed(draw: Random, content: bytes) -> bytes:
    """Replace, insert or remove tokens and lines of a text; sometimes bytes."""
    if draw.random() < 0.15:
        return bytes_changed(draw, content)
    text = content.decode(errors="replace")
    for _ in range(draw.choice((1, 1, 2, 3))):
        if draw.random() < 0.25:
            lines = text.splitlines(keepends=True) or [""]
            at = draw.randrange(len(lines))
            lines[at : at + draw.randint(0, 2)] = [draw.choice(lines)] * draw.choice((0, 1, 2))
            text = "".join(lines)
            continue
        tokens = list(re.finditer(r"-?[\d.]+|\w+|\S|\s", text))
        token = draw.choice(TOKENS)
        if tokens:
            start, end = draw.choice(tokens).span()
            text = text[:start] + token + text[start if draw.random() < 0.3 else end :]
        else:
            text = token
    return text.encode(errors="surrogatepass")


def json_changed(draw: Random, content: bytes) -> bytes:
    """Replace, remove, wrap or repeat values at any depth; sometimes tokens or bytes."""
    if draw.random() < 0.25:
        return text_changed(draw, content)
    box = [json.loads(content)]
    for _ in range(draw.choice((1, 1, 2, 4))):
        places = list(_places(box))
        holder, key = draw.choice(places)
        kind = draw.randrange(8)
        if kind == 0 and holder is not box:
            del holder[key]
        elif kind == 1 and isinstance(holder, list):
            holder.insert(key, holder[key])
        elif kind == 2:
            holder[key] = [holder[key]] * draw.choice((1, 2, 100))
        elif kind == 3:
            other, other_key = draw.choice(places)
            holder[key] = json.loads(json.dumps(other[other_key]))
        else:
            holder[key] = draw.choice(VALUES)
    return json.dumps(box[0] if box else None).encode()


def _places(value: Any) -> Any:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        yield value, key
        if isinstance(inner, dict | list):
            yield from _places(inner)


def table_changed(draw: Random, content: bytes) -> bytes:
    """Replace, remove, rename or repeat columns of a Parquet table; sometimes bytes."""
    if draw.random() < 0.4:
        return bytes_changed(draw, content)
    table = pq.read_table(BytesIO(content))
    columns = dict(zip(table.column_names, table.columns, strict=True))
    for _ in range(draw.choice((1, 1, 2))):
        if not columns:
            break
        name, kind = draw.choice(list(columns)), draw.randrange(6)
        if kind == 0:
            del columns[name]
        elif kind == 1:
            columns[draw.choice(TEXTS[:8])] = columns.pop(name)
        else:
            columns[name] = _column(draw, table.num_rows)
    stream = BytesIO()
    pq.write_table(pa.table(columns), stream, compression=draw.choice(("zstd", "none", "gzip")))
    return stream.getvalue()


def _column(draw: Random, rows: int) -> pa.Array:
    kinds: tuple[tuple[Any, Sequence[Any]], ...] = (
        (pa.float64(), (math.nan, math.inf, -1.0, 1e308, None)),
        (pa.int64(), (0, -1, 2**63 - 1, None)),
        (pa.uint64(), (2**64 - 1, 0)),
        (pa.string(), tuple(text for text in TEXTS)),
        (pa.binary(), (b"\xff\xfe", b"")),
        (pa.bool_(), (True, False, None)),
        (pa.null(), (None,)),
        (pa.list_(pa.int64()), ([], [1], None)),
        (pa.struct({"a": pa.int64()}), ({"a": 1}, None)),
        (pa.timestamp("ns"), (0, 2**62)),
        (pa.duration("ns"), (2**62,)),
        (pa.date64(), (2**60,)),
        (pa.decimal128(38, 2), (None,)),
    )
    kind, values = draw.choice(kinds)
    return pa.array([draw.choice(values) for _ in range(rows)], type=kind)


def header_changed(draw: Random, content: bytes) -> bytes:
    """Change values of the header of a safetensors file; sometimes bytes."""
    if draw.random() < 0.4:
        return bytes_changed(draw, content)
    length = int.from_bytes(content[:8], "little")
    header = json_changed(draw, content[8 : 8 + length])
    if draw.random() < 0.5:  # types and shapes of the right length
        values = json.loads(content[8 : 8 + length])
        name = draw.choice([key for key in values if key != "__metadata__"])
        kinds = (
            "F32",
            "F16",
            "BF16",
            "I32",
            "U32",
            "F8_E4M3",
            "F8_E5M2",
            "I64",
            "BOOL",
            "F64",
            "U64",
        )
        values[name]["dtype"] = draw.choice(kinds)
        values[name]["shape"] = draw.choice(
            ([], [0], [1, -1], values[name]["shape"][::-1], [2**40])
        )
        header = json.dumps(values).encode()
    return len(header).to_bytes(8, "little") + header + content[8 + length :]
