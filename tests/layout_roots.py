"""A small dataset in every layout: three persons, two cameras each, drawn in an instant."""

from pathlib import Path

import numpy as np
from scipy.io import savemat
from stick_market import draw, figure

from reidaug.data.keypoints import write_patn
from reidaug.data.layouts import GALLERY, LAYOUTS, QUERY, TRAIN
from reidaug.data.market1501 import Person

PEOPLE = {TRAIN: (1, 2, 3), QUERY: (7, 8), GALLERY: (7, 8)}
CAMERAS = {TRAIN: (1, 3), QUERY: (2,), GALLERY: (1, 3)}
FORMS = {
    "market1501": "{split}/{p:04d}_c{c}s1_{n:06d}_01.jpg",
    "dukemtmc": "{split}/{p:04d}_c{c}_f{n:07d}.jpg",
    "cuhk03-np": "{split}/{p:04d}_c{c}_{n}.png",
    "veri": "image_{part}/{p:04d}_c{c:03d}_{n:08d}_0.jpg",
    "image-folder": "{layumi}/person {p}/{p:04d}_c{c}s1_{n:06d}_01.jpg",
    "msmt17": "{half}/{p:04d}/{p:04d}_{n:03d}_{c:02d}_0303morning_0008_0.jpg",
    "ltcc": "{part}/{p:03d}_1_c{c}_{n:06d}.png",
    "prcc": "rgb/train/{p:03d}/{letter}_cropped_rgb{n:03d}.jpg",
    "mevid": "bbox_{half}/{p:04d}/{p:04d}O00{c}C33{c}T00{c}F{n:05d}.jpg",
    "mars": "bbox_{half}/{p:04d}/{p:04d}C{c}T0001F{n:03d}.jpg",
}
FORMS["msmt17-val"] = FORMS["msmt17"]
PRCC_TEST = "rgb/test/{letter}/{p:03d}/cropped_rgb{n:03d}.jpg"
LAYUMI = {TRAIN: "train_all", QUERY: "query", GALLERY: "gallery"}


def name_in(layout: str, split: str, person: int, camera: int, number: int = 1) -> str:
    """Name a crop as a layout does, with its folders."""
    form = PRCC_TEST if layout == "prcc" and split != TRAIN else FORMS[layout]
    if layout == "prcc" and split != TRAIN:
        camera = 3 if split == QUERY else 1
    return form.format(
        split=split,
        part={TRAIN: "train", QUERY: "query", GALLERY: "test"}[split],
        half="train" if split == TRAIN else "test",
        layumi=LAYUMI[split],
        p=person,
        c=camera,
        n=number,
        letter="ABC"[camera - 1],
    )


def layout_root(root: Path, layout: str, *, images: int = 1) -> Path:
    """Draw a dataset in a layout, with keypoints of its training crops."""
    rng, poses, crops = np.random.default_rng(7), {}, dict[str, list[str]]()
    for split, people in PEOPLE.items():
        crops[split] = []
        for person in people:
            for camera in CAMERAS[split]:
                for number in range(1, images + 1):
                    name = name_in(layout, split, person, camera, number)
                    crops[split].append(name)
                    pose, path = figure(rng, (64, 32)), root / name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    draw(rng, pose, (64, 32), person).save(path)
                    if split == TRAIN:
                        poses["/".join(path.parts[-2:]) if layout == "prcc" else path.name] = pose
    _write_lists(root, layout, crops)
    write_patn(root / "market-annotation-train.csv", poses)
    return root


def _write_lists(root: Path, layout: str, crops: dict[str, list[str]]) -> None:
    """Write the lists of MSMT17, and of tracklets."""
    if LAYOUTS[layout].lists:
        names = dict(crops) | {"val": crops[TRAIN][-1:]}
        names[TRAIN] = crops[TRAIN][:-1]
        files = {TRAIN: "train", QUERY: "query", GALLERY: "gallery", "val": "val"}
        for split, part in files.items():
            lines = (name.partition("/")[2] for name in names[split])
            text = "".join(f"{line} {int(line[:4])}\n" for line in lines)
            (root / f"list_{part}.txt").write_text(text)
    if (tracks := LAYOUTS[layout].tracks) is None:
        return
    (root / tracks.names).parent.mkdir(exist_ok=True)
    names = [Path(name).name for name in (*crops[QUERY], *crops[GALLERY])]
    (root / tracks.names).write_text("".join(f"{name}\n" for name in names))
    rows = [[k + tracks.first, k + tracks.first, 7, 1] for k in range(len(names))]
    queries = [k + tracks.first for k in range(len(crops[QUERY]))]
    if tracks.info.endswith(".mat"):
        savemat(root / tracks.info, {"track_test_info": rows})
        savemat(root / tracks.queries, {"query_IDX": queries})
    else:
        np.savetxt(root / tracks.info, rows)
        np.savetxt(root / tracks.queries, queries)


def who(people: tuple[Person, ...]) -> list[tuple[str, int]]:
    """List person and camera of every crop."""
    return sorted((person.who, person.camid) for person in people)
