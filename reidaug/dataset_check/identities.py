"""Checks of the identities and cameras of a dataset, for training and for evaluation."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from reidaug.data.market1501 import GALLERY, QUERY, TRAIN, Person
from reidaug.dataset_check.findings import EVALUATION, TRAINING, Finding, Tally, number
from reidaug.dataset_check.names import Listing
from reidaug.dataset_check.retrieval import unmatched_queries

DISTRACTOR = 0
TORCHREID_CAMERAS, TORCHREID_IDS = 6, 1501
_CAMERA = re.compile(r"_c(\d+)")


class Counts(NamedTuple):
    """The size of a split."""

    ids: int  # identities without distractors
    images: int  # images without junk
    cameras: int  # cameras
    junk: int  # images of pid -1
    distractors: int  # images of pid 0


def count(listing: Listing, *, nobody: bool) -> Counts:
    """Count identities, images and cameras of a split.

    ``nobody``: Person 0 is nobody, a distractor.
    """
    people = listing.people
    distractors = sum(p.pid == DISTRACTOR for p in people) if nobody else 0
    return Counts(
        ids=len({p.pid for p in people}) - (distractors > 0),
        images=len(people),
        cameras=len({p.camid for p in people}),
        junk=listing.junk,
        distractors=distractors,
    )


def identity_findings(
    splits: Mapping[str, Listing],
    *,
    listed: bool,
    nobody: bool | None = None,
    market: bool | None = None,
) -> list[Finding]:
    """Report problems of identities and cameras.

    Args:
        splits: The splits, by name.
        listed: Whether MSMT17's lists name the persons; they number each split separately.
        nobody: Whether person 0 is nobody, a distractor; by default where no lists name persons.
        market: Whether torchreid and fastreid read the names as Market-1501's; likewise.
    """
    nobody = not listed if nobody is None else nobody
    market = not listed if market is None else market
    train, query, gallery = (splits[name].people for name in (TRAIN, QUERY, GALLERY))
    findings = _training(train) if train else []
    if query and gallery:
        findings += _queries(query, gallery)
    findings += _shared(train, (*query, *gallery), listed=listed, nobody=nobody)
    if nobody:
        findings += _distractors(train, query, gallery)
    if market:
        findings += _other_readers((*train, *query, *gallery))
    return findings


def _training(train: Sequence[Person]) -> list[Finding]:
    names = {person.pid: person.who for person in train}
    images: dict[int, int] = defaultdict(int)
    cameras: dict[int, set[int]] = defaultdict(set)
    for person in train:
        images[person.pid] += 1
        cameras[person.pid].add(person.camid)
    if len(images) < 2:
        what, advice = "only one person", "a model learns to distinguish persons: add more"
        return [Finding.problem(TRAIN, what, advice, Tally(), (TRAINING,))]
    findings = []
    single = Tally(f"person {names[pid]}" for pid, count in sorted(images.items()) if count == 1)
    if single.count:
        what = f"{_of(single.count, len(images))} have one image only"
        advice = "they give triplet losses no positive pair; warps give them more poses"
        findings.append(Finding.advise(TRAIN, what, advice, single))
    still = Tally(
        f"person {names[pid]}"
        for pid, own in sorted(cameras.items())
        if len(own) == 1 < images[pid]
    )
    if still.count:
        what = f"{_of(still.count, len(images))} appear under one camera only"
        many = 2 * still.count > len(images)
        advice = "nothing teaches the model invariance to the camera" if many else "fine, if few"
        findings.append((Finding.advise if many else Finding.remark)(TRAIN, what, advice, still))
    return findings


def _queries(query: Sequence[Person], gallery: Sequence[Person]) -> list[Finding]:
    lost = unmatched_queries(query, gallery)
    unmatched = (
        (
            lost.absent,
            "show a person the gallery does not have",
            "move an image of each of these persons, by another camera, into the gallery",
        ),
        (
            lost.same_camera,
            "have matches in the gallery by their own camera only",
            "images of a query's person and camera do not count: add images of other cameras, or "
            "number the cameras differently (a --pattern without camid makes all of them 1)",
        ),
    )
    none_matched = lost.total == len(query)
    findings = []
    for people, says, advice in unmatched:
        tally = Tally(person.path.name for person in people)
        what = f"{_of(tally.count, len(query), 'queries')} {says}"
        if tally.count and none_matched:
            findings.append(Finding.problem(QUERY, what, advice, tally, (EVALUATION,)))
        elif tally.count:
            left_out = f"they are left out of mAP and ranks; {advice}"
            findings.append(Finding.advise(QUERY, what, left_out, tally))
    return findings


def _shared(
    train: Sequence[Person], test: Sequence[Person], *, listed: bool, nobody: bool
) -> list[Finding]:
    shared = {p.pid for p in train} & {p.pid for p in test} - ({DISTRACTOR} if nobody else set())
    if not shared:
        return []
    names = {person.pid: person.who for person in test}
    tally = Tally(f"person {names[pid]}" for pid in sorted(shared))
    where = f"{TRAIN}, {QUERY}, {GALLERY}"
    what = f"{number(tally.count, 'person number')} in training and test alike"
    if listed:
        return [Finding.remark(where, what, "MSMT17's lists number each split separately", tally)]
    advice = "if these are the same persons, scores say too much: keep each person in one part"
    return [Finding.advise(where, what, advice, tally)]


def _distractors(
    train: Sequence[Person], query: Sequence[Person], gallery: Sequence[Person]
) -> list[Finding]:
    findings = []
    for split, people in ((TRAIN, train), (QUERY, query), (GALLERY, gallery)):
        tally = Tally(p.path.name for p in people if p.pid == DISTRACTOR)
        what = number(tally.count, "image of person 0", "images of person 0")
        if tally.count and split == GALLERY:
            advice = "distractors: they stay in the gallery and match nobody"
            findings.append(Finding.remark(split, what, advice, tally))
        elif tally.count:
            advice = "person 0 means 'nobody'; give a real person another number"
            findings.append(Finding.advise(split, what, advice, tally))
    return findings


def _other_readers(people: Sequence[Person]) -> list[Finding]:
    digits, beyond = Tally(), Tally()
    for person in people:
        camera = _CAMERA.search(person.path.name)
        if camera is not None and len(camera[1]) > 1:
            digits.add(person.path.name)
        elif person.pid > TORCHREID_IDS or not 1 <= person.camid <= TORCHREID_CAMERAS:
            beyond.add(person.path.name)
    where = f"{TRAIN}, {QUERY}, {GALLERY}"
    ours = "reidaug reads them; for torchreid register reidaug.augment.torchreid_dataset(ROOT)"
    findings = []
    if digits.count:
        what = f"{number(digits.count, 'name')} with a camera of several digits"
        advice = f"torchreid and fastreid read the first digit alone; {ours}"
        findings.append(Finding.advise(where, what, advice, digits))
    if beyond.count:
        what = f"{number(beyond.count, 'image')} with a person above 1501 or a camera not in 1..6"
        advice = f"torchreid's and fastreid's own Market1501 refuse them; {ours}"
        findings.append(Finding.remark(where, what, advice, beyond))
    return findings


def _of(some: int, total: int, what: str = "persons") -> str:
    return f"{some:,} of {total:,} {what}"
