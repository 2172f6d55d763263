"""Pictures of the playground: where a warp's texture comes from, masks laid over crops."""

import base64
import io
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, UInt8
from PIL import Image
from torch import Tensor

from reidaug.app.play.playground import BESIDE, OUTSIDE, Warped
from reidaug.data.images import encode_png
from reidaug.flow.estimator import Origin
from reidaug.geometry.silhouette import without_edge
from reidaug.report.flow_colours import HIDDEN, flow_colours

LONGEST_MOVE = 0.25  # of the height: full colour of the flow, so that drags can be compared
TINT = (11, 98, 196)  # RGB bytes


class Place(NamedTuple):
    """A kind of place that texture comes from."""

    colour: tuple[int, int, int]  # RGB bytes, told apart by the colour-blind
    words: str


PLACES = {
    int(Origin.SEEN): Place((0, 158, 115), "the place itself"),
    int(Origin.MIRRORED): Place((86, 180, 233), "left for right"),
    int(Origin.OPPOSITE): Place((230, 159, 0), "front for back"),
    int(Origin.INVENTED): Place((213, 94, 0), "invented"),
    BESIDE: Place((204, 121, 167), "beside the person"),
    OUTSIDE: Place((110, 80, 190), "outside the picture"),
}
"""The kinds by their numbers, see `reidaug.app.play.playground.Warped`."""


class Share(NamedTuple):
    """A share of a warp's outline."""

    place: Place
    share: float  # in [0, 1]


def shares(warped: Warped) -> list[Share]:
    """Give the shares of the outline by places, as the quality of the warp counts them."""
    quality = warped.quality
    if warped.tells_origin:
        other = [quality.other_side, quality.other_face, quality.invented]
        parts = [(Origin.MIRRORED, other[0]), (Origin.OPPOSITE, other[1])]
        parts.append((Origin.INVENTED, other[2]))
        rest = Origin.SEEN, 1 - torch.stack(other).sum(0)
        return [Share(PLACES[int(kind)], float(share)) for kind, share in (rest, *parts)]
    foreground, inside = float(quality.foreground), float(quality.inside)
    beside = max(0.0, inside - foreground)
    person = PLACES[int(Origin.SEEN)]._replace(words="the person")
    beside_it = Share(PLACES[BESIDE], beside)
    return [Share(person, foreground), beside_it, Share(PLACES[OUTSIDE], 1 - inside)]


def place_picture(warped: Warped) -> UInt8[Tensor, "3 H W"]:
    """Colour the pixels of the outline by the places their texture comes from."""
    colours = torch.tensor([PLACES[kind].colour for kind in sorted(PLACES)], dtype=torch.uint8)
    hidden = torch.tensor(HIDDEN, dtype=torch.uint8)
    painted = torch.where(warped.outline[..., None], colours[warped.places.long()], hidden)
    return painted.permute(2, 0, 1)


def flow_picture(warped: Warped) -> UInt8[Tensor, "3 H W"]:
    """Colour the flow inside the outline; full colour is `LONGEST_MOVE`."""
    height, width = warped.outline.shape
    return flow_colours(
        warped.flow, (height, width), longest=LONGEST_MOVE * height, visible=warped.outline
    )


def overlay(mask: Bool[Tensor, "H W"]) -> bytes:
    """Draw a mask as a PNG file to lay over a picture: clear, tinted inside, strong at its edge."""
    inside = mask.numpy()
    edge = inside & ~without_edge(mask[None])[0].numpy()
    pixels = np.zeros((*inside.shape, 4), dtype=np.uint8)
    pixels[..., :3] = TINT
    pixels[..., 3] = np.where(edge, 200, np.where(inside, 70, 0))
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def uri(picture: UInt8[Tensor, "3 H W"] | bytes) -> str:
    """Write a picture, or the content of a PNG file, as a data URI."""
    content = picture if isinstance(picture, bytes) else encode_png(picture)
    return f"data:image/png;base64,{base64.b64encode(content).decode('ascii')}"
