import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reidaug.augment.background import colour_of
from reidaug.augment.other_backgrounds import Places, behind, draw_pool
from reidaug.errors import ReidaugError

SIZE = (8, 4)
IMAGE = torch.rand((3, *SIZE), generator=torch.Generator().manual_seed(0))
MASK = torch.zeros(SIZE, dtype=torch.bool)
PLACES = Places((1, 2, 1, 3), torch.arange(4.0)[:, None, None, None].expand(4, 3, *SIZE))


def find(background: str, names: list[str], *, person: int = 1, seed: int = 0) -> torch.Tensor:
    found = behind(
        background, IMAGE, MASK, names, person=person, places=PLACES, seed=seed
    )  # fmt: skip
    assert found is not None
    return found


def test_the_place_of_another_is_never_ones_own_and_hangs_on_name_and_seed_alone() -> None:
    names = [f"{k}.jpg" for k in range(50)]
    drawn = find("other", names)[:, 0, 0, 0]
    assert set(drawn.tolist()) == {1.0, 3.0}
    assert torch.equal(find("other", names[::-1])[:, 0, 0, 0].flip(0), drawn)
    assert torch.equal(find("other", names[7:9])[:, 0, 0, 0], drawn[7:9])
    assert not torch.equal(find("other", names, seed=1)[:, 0, 0, 0], drawn)


def test_plain_colours_and_ones_own_place() -> None:
    assert torch.equal(find("grey", ["a"]), colour_of("grey"))
    assert torch.allclose(find("source", ["a"]), IMAGE, atol=1e-5)
    assert behind("keep", IMAGE, MASK, ["a"], person=1, places=None, seed=0) is None


def test_alone_in_the_world_there_is_no_other_place() -> None:
    alone = Places((1, 1), PLACES.images[:2])
    for places in (None, alone):
        with pytest.raises(ReidaugError, match="anybody but person 1"):
            behind("other", IMAGE, MASK, ["a"], person=1, places=places, seed=0)


@given(
    people=st.lists(st.integers(0, 4), min_size=2, max_size=40),
    asking=st.sets(st.integers(0, 4), min_size=1),
    count=st.integers(2, 8),
    seed=st.integers(0, 99),
)
def test_a_pool_holds_another_person_for_everyone(
    people: list[int], asking: set[int], count: int, seed: int
) -> None:
    drawn = draw_pool(people, sorted(asking), count=count, seed=(seed, 1))
    assert drawn == draw_pool(people, sorted(asking), count=count, seed=(seed, 1))
    assert len(drawn) == len(set(drawn)) == min(count, len(people))
    if len(set(people)) > 1:
        for person in asking:
            assert any(people[k] != person for k in drawn)
