import errno
import os
import zipfile
from pathlib import Path

import pytest
import torch

from reidaug.errors import ReidaugError, UsageError
from reidaug.files import (
    atomic_write,
    cache_folder,
    check_tensor_file,
    check_writable,
    checksum,
    checksum_of,
    collected_checksums,
    is_intact,
    named_error,
    read_text,
    remove_partials,
    same_but_for_case,
    summarise_left_out,
    write_atomically,
    write_result,
)


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder nobody can write to")
def test_where_no_file_can_be_written_it_is_told_beforehand(tmp_path: Path) -> None:
    (tmp_path / "own.txt").write_text("mine")
    for name in ("own.txt", "new.txt"):
        check_writable(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["own.txt"]
    assert (tmp_path / "own.txt").read_text() == "mine"
    for place, why in (
        (tmp_path, "name a file in a folder"),
        (tmp_path / "no" / "a", "name a file in a folder"),
        (Path("/proc/a"), "no file can be written here"),
    ):
        with pytest.raises(UsageError, match=f"^--out {place}: {why}"):
            check_writable(place, what="--out")


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("before")
    write_atomically(path, b"after")
    assert path.read_text() == "after"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_of_the_same_content_stays_untouched(tmp_path: Path) -> None:
    path, link, other = (tmp_path / name for name in ("a.csv", "link.csv", "other.csv"))
    path.write_text("same")
    os.utime(path, ns=(1, 1))
    write_atomically(path, b"same")
    assert path.stat().st_mtime_ns == 1
    write_atomically(path, b"s\0me")  # as long
    assert path.read_bytes() == b"s\0me"
    assert path.stat().st_mtime_ns != 1
    other.write_text("of the user's")
    link.symlink_to(other)
    write_atomically(link, b"of the user's")
    assert not link.is_symlink()
    assert sorted(tmp_path.iterdir()) == [path, link, other]


def test_a_file_that_was_not_finished_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("before")
    with pytest.raises(KeyboardInterrupt), atomic_write(path) as partial:
        partial.write_text("aft")
        raise KeyboardInterrupt
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_the_cache_is_where_the_user_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REIDAUG_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert cache_folder() == Path.home() / ".cache" / "reidaug"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "reidaug"
    monkeypatch.setenv("REIDAUG_CACHE", str(tmp_path / "mine"))
    assert cache_folder() == tmp_path / "mine"


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xef\xbb\xbffrom,to\r\n")
    assert read_text(path) == "from,to\n"


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(ReidaugError, match=r"a\.csv: no UTF-8 text"):
        read_text(path)
    with pytest.raises(ReidaugError, match=r"b\.csv: no such file"):
        read_text(tmp_path / "b.csv")


def test_what_was_left_out_is_counted_and_shown() -> None:
    assert summarise_left_out([], 7) == ""
    assert summarise_left_out(["a:2: broken"], 7) == "1 of 7 rows left out:\n  a:2: broken"
    lines = [f"a:{k}: broken" for k in range(1200)]
    assert summarise_left_out(lines, 5000, what="pairs").splitlines() == [
        "1,200 of 5,000 pairs left out:",
        "  a:0: broken",
        "  a:1: broken",
        "  a:2: broken",
        "  ... and 1,197 more",
    ]


def test_the_longest_name_can_be_written(tmp_path: Path) -> None:
    for name in ("a" * 255, "é" * 127):
        write_atomically(tmp_path / name, b"whole")
        assert (tmp_path / name).read_bytes() == b"whole"
    assert len(list(tmp_path.iterdir())) == 2


def test_tensors_that_unpack_to_gigabytes_are_refused(tmp_path: Path) -> None:
    torch.save({"w": torch.zeros(2**22)}, tmp_path / "a.pt")
    check_tensor_file(tmp_path / "a.pt", what="weight file")
    packed = tmp_path / "b.pt"
    with zipfile.ZipFile(tmp_path / "a.pt") as old, zipfile.ZipFile(packed, "w") as new:
        for entry in old.infolist():
            new.writestr(entry.filename, old.read(entry), zipfile.ZIP_DEFLATED)
    assert torch.load(packed, weights_only=True)["w"].shape == (2**22,)  # torch unpacks it
    with pytest.raises(ReidaugError, match="bytes unpack to 16,7"):
        check_tensor_file(packed, what="weight file")
    (tmp_path / "c.pt").write_bytes(b"PK no archive")
    check_tensor_file(tmp_path / "c.pt", what="weight file")


def test_a_damaged_file_of_tensors_is_not_intact(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    torch.save({"a": torch.arange(1000.0)}, path)
    content = bytearray(path.read_bytes())
    assert is_intact(path)
    entries = [at for at in range(len(content)) if content[at : at + 4] == b"PK\x01\x02"]
    for change in (
        {entries[0] + 8: 1},  # encrypted
        {len(content) // 2: content[len(content) // 2] ^ 1},  # another number
        {entries[0] + 22: 255, entries[0] + 26: 255},  # longer than the file
        {entries[0] + 10: 99},  # packed in a way that nobody knows
    ):
        damaged = bytearray(content)
        for at, byte in change.items():
            damaged[at] = byte
        path.write_bytes(damaged)
        assert not is_intact(path), change


def test_text_of_holes_pipes_and_devices_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "holes.csv").open("wb") as file:
        file.write(b"name\n")
        file.truncate(5 * 2**30)
    with (tmp_path / "small.csv").open("wb") as file:
        file.write(b"name\n")
        file.truncate(2**20)
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "device.csv").symlink_to("/dev/zero")
    for name, says in {
        "holes.csv": "larger than 1,024 MiB",
        "small.csv": "no UTF-8 text",
        "pipe.csv": "is a named pipe; only regular files are read",
        "device.csv": "is a device; only regular files are read",
    }.items():
        with pytest.raises(ReidaugError, match=says):
            read_text(tmp_path / name)


def test_temporary_files_of_some_names_are_removed(tmp_path: Path) -> None:
    longest, pid = "é" * 126 + ".j", str(os.getpid())
    for name in ("a.csv", longest):
        with atomic_write(tmp_path / name) as partial:
            partial.write_text("a")
            left = partial.name.replace(pid, "7" * len(pid))
        (tmp_path / left).write_text("h")
        (tmp_path / name).unlink()
    for name in (".a.csv.x.part", ".a.csv.part", ".b.csv.7.part", "a.csv.7.part"):
        (tmp_path / name).write_text("h")
    remove_partials(tmp_path, of=["a.csv", longest])
    kept = {".a.csv.x.part", ".a.csv.part", ".b.csv.7.part", "a.csv.7.part"}
    assert {path.name for path in tmp_path.iterdir()} == kept
    remove_partials(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == kept - {".b.csv.7.part"}


def test_what_a_killed_command_left_of_a_file_is_removed_and_what_is_being_written_stays(
    tmp_path: Path,
) -> None:
    ended = os.fork() or os._exit(0)
    os.waitpid(ended, 0)
    for name in (f".a.csv.{ended}.part", f".b.csv.{ended}.part", ".a.csv.1.part", ".a.csv.x.part"):
        (tmp_path / name).write_text("h")
    write_result(tmp_path / "a.csv", b"a")
    kept = {"a.csv", f".b.csv.{ended}.part", ".a.csv.1.part", ".a.csv.x.part"}
    assert {path.name for path in tmp_path.iterdir()} == kept


def test_without_a_home_folder_the_cache_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REIDAUG_CACHE", "~nobody-of-this-name/weights")
    with pytest.raises(ReidaugError, match="no home folder of ~nobody-of-this-name: name a folder"):
        cache_folder()


def test_an_error_of_writing_names_the_file(tmp_path: Path) -> None:
    path, full = tmp_path / "a.csv", OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(OSError) as error, atomic_write(path):
        raise full
    assert (error.value.filename, error.value.errno) == (str(path), errno.ENOSPC)
    with pytest.raises(FileNotFoundError) as error, atomic_write(tmp_path / "no" / "a") as partial:
        partial.write_text("a")
    assert error.value.filename == str(tmp_path / "no" / "a")
    with pytest.raises(FileNotFoundError) as error, named_error(path):
        (tmp_path / "other").read_text()
    assert error.value.filename == str(tmp_path / "other")
    for other in (OSError("a worker failed"), ValueError()):
        with pytest.raises(type(other)) as error, named_error(path):
            raise other
        assert error.value is other
    if Path("/dev/full").exists():
        full_disk = Path("/dev/full")
        with pytest.raises(OSError, match="device: '/dev/full'"), named_error(full_disk):
            full_disk.write_text("a")


def test_checksums_of_what_is_written_are_collected(tmp_path: Path) -> None:
    write_atomically(tmp_path / "before", b"1")
    with collected_checksums() as sums:
        write_atomically(tmp_path / "a", b"content", lasting=True)
        with pytest.raises(ZeroDivisionError), atomic_write(tmp_path / "failed"):
            _ = 1 / 0
    write_atomically(tmp_path / "after", b"1")
    assert sums == {tmp_path / "a": checksum(tmp_path / "a")}
    assert checksum(tmp_path / "a") == checksum_of(b"content")
    assert len(checksum_of(b"")) == 16


@pytest.mark.parametrize(
    "names", [("Real", "real"), ("STRASSE", "straße"), ("caf\u00e9", "cafe\u0301")]
)
def test_names_that_are_one_on_some_disks(names: tuple[str, str]) -> None:
    assert same_but_for_case(["a", *names]) == f"{names[0]!r} and {names[1]!r}"
    assert same_but_for_case(["a", "b", names[0]]) == ""
