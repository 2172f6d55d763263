"""Layouts of re-ID datasets: which folders hold the splits, and where person and camera are told.

A layout is a record of `LAYOUTS`. Its patterns are searched in paths, the last one or more folders
included, so a folder can tell the person, as in torchvision's ``ImageFolder``, or the camera.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from reidaug.data.crop_names import JUNK, Reading, is_id, spelled
from reidaug.data.image_folders import ImageFolder
from reidaug.data.name_forms import check_person_folder
from reidaug.errors import UsageError, unknown

TRAIN, QUERY, GALLERY = SPLITS = ("bounding_box_train", "query", "bounding_box_test")


class Tracks(NamedTuple):
    """Files that tell which tracklets of the test folder are queries, below the root."""

    names: str  # file names of the test folder, one a line
    info: str  # of each tracklet its first and last line in ``names``, then person and camera
    queries: str  # numbers of tracklets
    first: int  # whether lines and tracklets are counted from 0 or 1


class Layout(NamedTuple):
    """How a re-ID dataset lies on disk."""

    name: str  # as ``--layout`` takes it
    title: str  # what has it
    folders: Mapping[str, tuple[str, ...]]  # of each split, below the root; the first there counts
    names: tuple[str, ...]  # searched in turn in paths: groups pid and, without it camera 1, camid
    example: str  # path of a training crop below the root
    reads: tuple[str, str]  # person and camera of that crop
    says: str  # what tells person and camera
    below: tuple[str, ...] = ()  # usual folders that are the root, below the one given
    beside: tuple[str, ...] = ()  # what belongs to query and gallery, shown beside warps
    lists: Mapping[str, tuple[str, ...]] = {}
    tracks: Tracks | None = None  # files that tell queries from the gallery
    person_folders: bool = False  # whether a person's crops lie in a folder of the person's own
    loose: bool = False  # whether the root may hold the folders of one split's persons alone
    nobody: bool = True  # whether person 0 is nobody, a distractor
    recognised: bool = False  # whether it is recognised where it is not asked for

    def readings(self, found: ImageFolder) -> list[Reading | None]:
        """Read person and camera of each image of a folder; None where it does not fit.

        Raises:
            ReidaugError: Persons are to be read from folders that are none.
        """
        if self.person_folders and not found.in_folders:
            return [None] * len(found.images)
        if self.loose:
            for path in found.images:
                check_person_folder(path.parent, self.folders)
        return [self.read(path) for path in found.images]

    def read(self, path: Path) -> Reading | None:
        """Read person and camera of a crop from its path; None where it does not fit.

        A camera that is a letter is numbered by the alphabet.
        """
        text = spelled(path.as_posix())
        found = next((m for m in (re.search(names, text) for names in self.names) if m), None)
        if found is None:
            return None
        person, camera = found["pid"], found.groupdict().get("camid") or "1"
        if person != str(JUNK) and not is_id(person):
            return None
        return Reading(person, str(ord(camera) - 64) if camera.isupper() else camera)

    def folder(self, root: Path, split: str) -> Path:
        """Name the folder of a split; that of the first name where there is none."""
        return first_folder(root, self.folders[split])

    def lies_in(self, root: Path) -> bool:
        """Decide whether a folder is a root of the layout: with training crops, or all others."""
        if self.lists:
            return any((root / name).is_file() for names in self.lists.values() for name in names)
        train, query, gallery = (self._is_there(self.folder(root, split)) for split in SPLITS)
        return train or (query and gallery)

    def _is_there(self, folder: Path) -> bool:
        return folder.is_dir() and (
            not self.person_folders or any(path.is_dir() for path in folder.iterdir())
        )

    def parts(self) -> str:
        """Name what a root of the layout holds."""
        if self.lists:
            return ", ".join(dict.fromkeys(n for names in self.lists.values() for n in names))
        return ", ".join(dict.fromkeys(" or ".join(self.folders[split]) for split in SPLITS))

    @property
    def falls_back(self) -> bool:
        """Whether folders, or else numbers, are the persons where names give none."""
        return False

    @property
    def holds(self) -> str:
        """What its roots hold, for messages."""
        return f"--layout {self.name} looks for {self.parts()}"

    @property
    def expects(self) -> str:
        """What it reads, for messages."""
        return f"paths are like {self.example}, --layout {self.name}"

    @property
    def unlike(self) -> str:
        """Why a crop is not read."""
        return f"its place or name is not as in {self.example}, --layout {self.name}"

    def advice(self, names: Sequence[str]) -> str:
        """Advise how names that it does not read can be read; empty where there are none."""
        others = ", ".join(name for name in LAYOUTS if name != self.name)
        return f"other layouts are {others}; a --pattern reads any names" if names else ""


def first_folder(root: Path, names: Sequence[str]) -> Path:
    """Take the first of some folders below a root that is there; where there is none, the first."""
    return root / next((name for name in names if (root / name).is_dir()), names[0])


_MARKET = {TRAIN: (TRAIN,), QUERY: (QUERY,), GALLERY: (GALLERY,)}
_TRACKLETS = {TRAIN: ("bbox_train",), QUERY: ("bbox_test",), GALLERY: ("bbox_test",)}
_MSMT17 = Layout(
    name="msmt17",
    title="MSMT17",
    folders={
        TRAIN: ("train", "mask_train_v2"),
        QUERY: ("test", "mask_test_v2"),
        GALLERY: ("test", "mask_test_v2"),
    },
    names=(r"(?:^|/)(?P<pid>\d+)_\d+_(?P<camid>\d+)_[^/]*$",),
    example="train/0000/0000_000_01_0303morning_0008_0.jpg",
    reads=("0000", "01"),
    says="`list_train.txt` gives the person, the third number of the name the camera; "
    "`list_val.txt` is not read, as in fast-reid",
    below=("MSMT17_V2", "MSMT17_V1", "msmt17/MSMT17_V2", "msmt17/MSMT17_V1"),
    beside=("test", "mask_test_v2", "list_query.txt", "list_gallery.txt"),
    lists={
        TRAIN: ("list_train.txt",),
        QUERY: ("list_query.txt",),
        GALLERY: ("list_gallery.txt",),
    },
    nobody=False,
)

_ALL = (
    Layout(
        name="market1501",
        title="Market-1501",
        folders=_MARKET,
        names=(r"(?:^|/)(?P<pid>-1|\d+)_c(?P<camid>\d+)[^/]*$",),
        example="bounding_box_train/0002_c1s1_000451_03.jpg",
        reads=("0002", "1"),
        says="the person begins the name, then `_c` and the camera; person -1 is junk",
        below=("Market-1501-v15.09.15", "market1501/Market-1501-v15.09.15", "market1501"),
        beside=(QUERY, GALLERY),
    ),
    Layout(
        name="dukemtmc",
        title="DukeMTMC-reID",
        folders=_MARKET,
        names=(r"(?:^|/)(?P<pid>\d+)_c(?P<camid>\d+)_f\d+[^/]*$",),
        example="bounding_box_train/0001_c2_f0046182.jpg",
        reads=("0001", "2"),
        says="person, camera, frame",
        below=("DukeMTMC-reID", "dukemtmc-reid/DukeMTMC-reID"),
        beside=(QUERY, GALLERY),
    ),
    Layout(
        name="cuhk03-np",
        title="CUHK03-NP",
        folders=_MARKET,
        names=(r"(?:^|/)(?P<pid>\d+)_c(?P<camid>\d+)_\d+[^/]*$",),
        example="bounding_box_train/0001_c1_1.png",
        reads=("0001", "1"),
        says="person, camera, number; point at the folder `labeled` or `detected`",
        beside=(QUERY, GALLERY),
    ),
    Layout(
        name="veri",
        title="VeRi-776",
        folders={TRAIN: ("image_train",), QUERY: ("image_query",), GALLERY: ("image_test",)},
        names=(r"(?:^|/)(?P<pid>\d+)_c(?P<camid>\d+)_[^/]*$",),
        example="image_train/0001_c001_00016450_0.jpg",
        reads=("0001", "001"),
        says="vehicle, camera",
        below=("VeRi", "veri"),
        beside=("image_query", "image_test"),
        nobody=False,
        recognised=True,
    ),
    Layout(
        name="image-folder",
        title="ImageFolder",
        folders={
            TRAIN: ("train_all", "train", TRAIN),
            QUERY: (QUERY,),
            GALLERY: ("gallery", GALLERY),
        },
        names=(r"(?:^|/)(?P<pid>[^/]+)/(?:(?:-1|\d+)_c(?P<camid>\d+))?[^/]*$",),
        example="train_all/0002/0002_c1s1_000451_03.jpg",
        reads=("0002", "1"),
        says="a folder a person, `-1` is junk; cameras as in Market-1501's names, else 1",
        below=("pytorch",),
        beside=(QUERY, "gallery", GALLERY),
        person_folders=True,
        loose=True,
    ),
    _MSMT17,
    _MSMT17._replace(
        name="msmt17-val",
        title="MSMT17 with its validation crops",
        example="train/0002/0002_017_05_0303noon_0511_1.jpg",
        reads=("0002", "05"),
        says="as msmt17, and the crops of `list_val.txt` are training crops too, as with "
        "torchreid's `combineall`",
        lists={**_MSMT17.lists, TRAIN: ("list_train.txt", "list_val.txt")},
    ),
    Layout(
        name="ltcc",
        title="LTCC",
        folders={TRAIN: ("train",), QUERY: (QUERY,), GALLERY: ("test",)},
        names=(r"(?:^|/)(?P<pid>\d+)_\d+_c(?P<camid>\d+)_[^/]*$",),
        example="train/001_1_c1_015833.png",
        reads=("001", "1"),
        says="person, clothes (not read), camera",
        below=("LTCC_ReID", "ltcc/LTCC_ReID"),
        beside=(QUERY, "test", "info"),
        nobody=False,
        recognised=True,
    ),
    Layout(
        name="prcc",
        title="PRCC",
        folders={TRAIN: ("rgb/train",), QUERY: ("rgb/test/C",), GALLERY: ("rgb/test/A",)},
        names=(
            r"(?:^|/)(?P<pid>\d+)/(?P<camid>[ABC])_cropped_rgb\d+[^/]*$",
            r"(?:^|/)(?P<camid>[ABC])/(?P<pid>\d+)/cropped_rgb\d+[^/]*$",
        ),
        example="rgb/train/001/A_cropped_rgb001.jpg",
        reads=("001", "1"),
        says="a folder a person, cameras A, B, C are 1, 2, 3; queries are those of C, in other "
        "clothes",
        below=("prcc", "PRCC"),
        beside=("rgb/test", "rgb/val"),
        person_folders=True,
        nobody=False,
        recognised=True,
    ),
    Layout(
        name="mevid",
        title="MEVID",
        folders=_TRACKLETS,
        names=(r"(?:^|/)(?P<pid>\d+)O\d+C(?P<camid>\d+)T\d+F\d+[^/]*$",),
        example="bbox_train/0103/0103O020C424T000F00005.jpg",
        reads=("0103", "424"),
        says="person, `O` outfit (not read), `C` camera, `T` tracklet, `F` frame",
        below=("mevid", "MEVID"),
        beside=("bbox_test", "query_IDX.txt", "track_test_info.txt", "test_name.txt"),
        tracks=Tracks("test_name.txt", "track_test_info.txt", "query_IDX.txt", first=0),
        nobody=False,
        recognised=True,
    ),
    Layout(
        name="mars",
        title="MARS",
        folders=_TRACKLETS,
        names=(r"(?:^|/)(?:00(?=-))?(?P<pid>-1|\d+)C(?P<camid>\d+)T\d+F\d+[^/]*$",),
        example="bbox_train/0001/0001C1T0001F001.jpg",
        reads=("0001", "1"),
        says="person, `C` camera, `T` tracklet, `F` frame; 00-1 is junk, 0000 a distractor",
        below=("MARS", "mars"),
        beside=("bbox_test", "info"),
        tracks=Tracks(
            "info/test_name.txt", "info/tracks_test_info.mat", "info/query_IDX.mat", first=1
        ),
        recognised=True,
    ),
)
LAYOUTS = {layout.name: layout for layout in _ALL}
"""All layouts by name, Market-1501's first, which is that of every dataset where none fits."""
LAYOUT_HELP = (
    "How the dataset lies on disk, where not as Market-1501; without it, some are recognised. "
    "Excludes --pattern."
)
"""What the option ``--layout`` of every command does."""


def known_layout(name: str) -> str:
    """Check that there is a layout of a name, for recipes; `ValueError` where there is none."""
    if name not in LAYOUTS:
        raise ValueError(unknown(f"layout {name!r}", name, LAYOUTS, kind="layouts"))
    return name


def check_names(pattern: str | None, layout: str | None) -> None:
    """Check that a pattern and a layout are not both given: each tells how names are read.

    Raises:
        UsageError: They are, or there is no such layout.
    """
    if layout is not None:
        try:
            known_layout(layout)
        except ValueError as error:
            raise UsageError(str(error)) from None
        if pattern is not None:
            raise UsageError(
                f"layout {layout} and pattern {pattern!r} exclude each other: a layout has names "
                "of its own"
            )
