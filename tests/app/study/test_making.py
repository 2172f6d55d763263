"""The making of a study."""

from pathlib import Path

import pytest

from reidaug.app.study.folder import SOURCE, read_study
from reidaug.app.study.making import StudyOptions, make_study
from reidaug.data.images import read_image
from reidaug.errors import ReidaugError, UsageError


@pytest.fixture(scope="module")
def roots(warped_twice: dict[str, Path]) -> tuple[Path, ...]:
    return tuple(warped_twice.values())


def test_a_study_is_whole_without_its_runs_and_stays_as_it_is(
    roots: tuple[Path, ...], tmp_path: Path
) -> None:
    text = tmp_path / "text.txt"
    text.write_text("One\nparagraph.\n\n\nAnother <one>.\n")
    options = StudyOptions(roots, samples=3, practice=2, text=text)
    made = make_study(options, tmp_path / "study")
    assert read_study(made.path) == made
    assert made.settings.methods == ("joint-blend", "torso-affine")
    assert made.settings.text == ("One paragraph.", "Another <one>.")
    assert (made.settings.rounds, made.settings.practice) == (3, 2)
    names = [*made.settings.samples, *made.settings.practice_samples]
    assert len(set(names)) == 5
    for number, name in enumerate(names):
        source = roots[0].parent / "market" / "bounding_box_train" / name.split(" -> ")[0]
        assert read_image(made.image(number, SOURCE)).equal(read_image(source))
        for method in made.settings.methods:
            assert made.image(number, method).is_file()
    images = sorted((made.path / "images").rglob("*.png"))
    assert len(images) == 5 * 4
    with made.answers(make=True) as answers:
        (one,) = answers.invite(1, made.plan)
        answers.answer(one, 0, "left")
    assert make_study(options, made.path) == made
    with made.answers() as answers:
        assert answers.participants()[0].answered == 1
    with pytest.raises(ReidaugError, match="another run"):
        make_study(options._replace(samples=4), made.path)
    again = make_study(options, tmp_path / "again")
    for image in images:
        assert (again.path / image.relative_to(made.path)).read_bytes() == image.read_bytes()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"practice": 18}, "at most --practice 17"),
        ({"practice": 30}, "at most --practice 17"),
        ({"practice": 2, "rounds": 17}, "there are 16"),
        ({"methods": ("identity",)}, "--method"),
    ],
)
def test_what_cannot_be_is_told_before_a_folder_is_made(
    roots: tuple[Path, ...], tmp_path: Path, options: dict[str, object], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        make_study(StudyOptions(roots)._replace(**options), tmp_path / "study")
    assert not (tmp_path / "study").exists()


def test_of_few_samples_some_are_practice_and_it_is_told(
    roots: tuple[Path, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = make_study(StudyOptions(roots), tmp_path / "study").settings
    assert (len(made.samples), made.practice, len(made.practice_samples)) == (15, 3, 3)
    line = capsys.readouterr().err.splitlines()[0]
    assert line.startswith("18 samples are in all of the methods, and 97 are needed for 80 that")
    assert "here 15 count, after 3 of practice" in line
    make_study(StudyOptions(roots), tmp_path / "study")
    assert "97 are needed" not in capsys.readouterr().err
    kept = make_study(StudyOptions(roots, samples=4), tmp_path / "other").settings
    assert (len(kept.samples), kept.practice) == (4, 14)
    assert "here 4 count, after 14 of practice" in capsys.readouterr().err


def test_methods_have_names_of_their_own(roots: tuple[Path, ...], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="two methods"):
        make_study(StudyOptions(roots[:1], practice=1), tmp_path / "study")
    with pytest.raises(UsageError, match="another name"):
        make_study(StudyOptions((roots[0], roots[0]), practice=1), tmp_path / "study")
    (tmp_path / "=1+1").symlink_to(roots[0])
    odd = tmp_path / "x y"
    odd.mkdir()
    for entry in roots[0].iterdir():
        (odd / entry.name).symlink_to(entry)
    with pytest.raises(UsageError, match="cannot name a method"):
        make_study(StudyOptions((odd, roots[1]), practice=1), tmp_path / "study")
