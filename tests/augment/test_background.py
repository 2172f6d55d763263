import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reidaug.augment.background import (
    BACKGROUNDS,
    BackgroundInputs,
    BackgroundPool,
    draw_pool,
    grey,
)
from reidaug.data.compositing import composite
from reidaug.errors import ReidaugError
from reidaug.geometry.flow import identity

SIZE = (12, 8)
IMAGE = torch.rand((3, *SIZE), generator=torch.Generator().manual_seed(0))
MASK = torch.zeros(SIZE, dtype=torch.bool)
POOL = BackgroundPool((1, 2, 1, 3), torch.arange(4.0)[:, None, None, None].expand(4, 3, *SIZE))
SOURCE = BackgroundInputs(IMAGE, MASK, 1, identity(*SIZE)[None], ["a.jpg"], pool=POOL)


def test_an_image_is_composited_over_a_colour() -> None:
    matte = torch.zeros(1, 1, *SIZE)
    matte[..., 4:, :] = 1
    result = composite(IMAGE[None], matte, BACKGROUNDS["imagenet-mean"].paint(SOURCE))
    assert torch.equal(result[..., 4:, :], IMAGE[None, :, 4:, :])
    assert result[0, :, 0, 0].tolist() == pytest.approx([0.485, 0.456, 0.406])


def test_grey_is_the_middle_of_a_byte() -> None:
    assert (grey(SOURCE) * 255).round().flatten().tolist() == [128, 128, 128]


def test_every_background_has_one_line_of_help() -> None:
    helps = [kind.paint.__doc__ or "" for kind in BACKGROUNDS.values()]
    assert all(text and "\n" not in text for text in helps)


def test_backgrounds_of_the_source_itself() -> None:
    assert set(BACKGROUNDS) == {"grey", "imagenet-mean", "keep", "source", "other"}
    assert [name for name, kind in BACKGROUNDS.items() if kind.needs_pool] == ["other"]
    for name in ("keep", "source"):
        assert torch.allclose(BACKGROUNDS[name].paint(SOURCE)[..., :, :, :], IMAGE, atol=1e-5)


def test_the_background_of_another_person_depends_on_name_and_seed_alone() -> None:
    names = [f"{k}.jpg" for k in range(50)]

    def drawn(names: list[str], seed: int = 0) -> torch.Tensor:
        source = SOURCE._replace(names=names, seed=seed)
        return BACKGROUNDS["other"].paint(source)[:, 0, 0, 0]

    first = drawn(names)
    assert set(first.tolist()) == {1.0, 3.0}
    assert torch.equal(drawn(names[::-1]).flip(0), first)
    assert torch.equal(drawn(names[7:9]), first[7:9])
    assert not torch.equal(drawn(names, seed=1), first)


def test_one_person_alone_has_no_background_of_another() -> None:
    alone = BackgroundPool((1, 1), POOL.images[:2])
    for pool in (None, alone):
        with pytest.raises(ReidaugError, match="anybody but person 1"):
            BACKGROUNDS["other"].paint(SOURCE._replace(pool=pool))


@given(
    people=st.lists(st.integers(0, 4), min_size=2, max_size=40),
    without=st.sets(st.integers(0, 4), min_size=1),
    count=st.integers(2, 8),
    seed=st.integers(0, 99),
)
def test_a_pool_holds_another_person_for_everyone(
    people: list[int], without: set[int], count: int, seed: int
) -> None:
    drawn = draw_pool(people, sorted(without), count=count, seed=(seed, 1))
    assert drawn == draw_pool(people, sorted(without), count=count, seed=(seed, 1))
    assert len(drawn) == len(set(drawn)) == min(count, len(people))
    if len(set(people)) > 1:
        for person in without:
            assert any(people[k] != person for k in drawn)
