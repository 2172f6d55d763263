import pytest
import torch
from torch import nn

from reidaug.reid.neck import TrunkAndNeck


@pytest.mark.parametrize("embedding", [0, 5])
def test_people_are_scored_by_the_features_after_the_neck(embedding: int) -> None:
    channels, people = 3, 4
    model = TrunkAndNeck(nn.Identity(), channels, people, embedding=embedding).eval()
    maps = torch.rand(2, channels, 6, 2, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before, (after,), (scores,), _ = model(maps)
    torch.testing.assert_close(before, maps.mean((2, 3)))
    assert after.shape == (2, embedding or channels)
    assert model.heads.weight.shape == (people, embedding or channels)
    torch.testing.assert_close(scores, after @ model.heads.weight.T)


def test_gem_is_the_mean_of_cubes() -> None:
    model = TrunkAndNeck(nn.Identity(), 3, 4, pooling="gem").eval()
    maps = torch.tensor([[[[1.0, 2.0]], [[3.0, 0.0]], [[2.0, 2.0]]]])
    with torch.no_grad():
        before = model(maps)[0]
    torch.testing.assert_close(before, torch.tensor([[4.5 ** (1 / 3), 13.5 ** (1 / 3), 2.0]]))
