import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image

from reidaug.app.play.pictures import (
    PLACES,
    flow_picture,
    overlay,
    place_picture,
    shares,
    uri,
)
from reidaug.app.play.playground import BESIDE, Warped
from reidaug.augment.quality import WarpQuality
from reidaug.flow.estimator import Origin
from reidaug.geometry.flow import identity
from reidaug.report.flow_colours import HIDDEN


def warped(*, tells_origin: bool) -> Warped:
    """Four rows of eight pixels, the left half inside; numbers that a measurement would give."""
    outline = torch.zeros(4, 8, dtype=torch.bool)
    outline[:, :4] = True
    places = torch.zeros(4, 8, dtype=torch.uint8)
    places[0] = int(Origin.INVENTED) if tells_origin else BESIDE
    numbers = {name: torch.zeros(1) for name in WarpQuality._fields}
    numbers |= {"foreground": torch.tensor([0.6]), "inside": torch.tensor([0.9])}
    numbers |= {"other_side": torch.tensor([0.1]), "invented": torch.tensor([0.25])}
    return Warped(
        pixels=torch.zeros(3, 4, 8, dtype=torch.uint8),
        flow=identity(4, 8),
        outline=outline,
        asked=outline,
        places=places,
        tells_origin=tells_origin,
        joints=1.0,
        quality=WarpQuality(**numbers),
        half_turn=False,
    )


@pytest.mark.parametrize("tells_origin", [True, False])
def test_shares_are_a_whole(tells_origin: bool) -> None:
    found = shares(warped(tells_origin=tells_origin))
    assert sum(share.share for share in found) == pytest.approx(1)
    words = {share.place.words: round(share.share, 2) for share in found}
    if tells_origin:
        assert words["invented"] == 0.25
        assert words["the place itself"] == 0.65
    else:
        assert words == {"the person": 0.6, "beside the person": 0.3, "outside the picture": 0.1}


def test_places_and_flow_are_coloured_inside_the_outline_alone() -> None:
    one = warped(tells_origin=True)
    picture = place_picture(one)
    assert tuple(picture[:, 0, 0].tolist()) == PLACES[int(Origin.INVENTED)].colour
    assert tuple(picture[:, 3, 3].tolist()) == PLACES[int(Origin.SEEN)].colour
    flow = flow_picture(one)
    assert tuple(flow[:, 0, 0].tolist()) == (255, 255, 255)  # nothing moved
    for drawn in (picture, flow):
        assert tuple(drawn[:, 2, 6].tolist()) == HIDDEN
    assert len({place.colour for place in PLACES.values()}) == len(PLACES)


def test_an_overlay_is_clear_around_and_strongest_at_the_edge() -> None:
    mask = torch.zeros(16, 12, dtype=torch.bool)
    mask[3:13, 2:10] = True
    content = overlay(mask)
    alpha = np.asarray(Image.open(io.BytesIO(content)).getchannel("A"))
    assert (alpha[~mask.numpy()] == 0).all()
    assert 0 < alpha[8, 6] < alpha[3, 6]
    assert base64.b64decode(uri(content).split(",")[1]) == content
