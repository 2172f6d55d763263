"""Damage to files: what a full disk, a failing one, or a hurried hand leaves behind."""

from pathlib import Path

HOWS = ("half", "empty", "garbage", "bit", "removed")


def spoil(path: Path, how: str) -> None:
    """Damage a file; links are removed."""
    if how == "removed" or path.is_symlink():
        path.unlink()
        return
    content = path.read_bytes()
    bit = len(content) * 2 // 3
    path.write_bytes({
        "half": content[: len(content) // 2],
        "empty": b"",
        "garbage": b"\xff\0\xfe\x80" * 99,
        "bit": content[:bit] + bytes(b ^ 1 for b in content[bit : bit + 1]) + content[bit + 1 :],
    }[how])  # fmt: skip
