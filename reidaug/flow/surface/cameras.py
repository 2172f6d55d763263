"""Cameras: where a crop shows each place on the body, as a smooth map.

Seen from afar, a rigid limb is shown by an affine camera, whatever its pose: the pixel is a linear
function of the place on the limb at rest. Places between limbs blend their cameras, as in linear
blend skinning. The cameras of a crop are fitted to all of its cells by least squares: errors of
single cells cancel, and hidden places have an image too, that of what is in front of them.
"""

from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor

from reidaug.flow.surface.limbs import LIMBS, joint_places, limb_shares
from reidaug.geometry.flow import Size, identity, to_normalised
from reidaug.geometry.pose import Pose
from reidaug.machine import one_thread

CENTRE = (0.0, -0.05, 0.15)  # of the mean body, in metres
JOINT = 3.0  # weight of a joint; that of a cell is 1
RIDGE = 0.2  # pulls the camera of a limb towards that of the whole body
WHOLE = 1e-3  # ridge of that of the whole body

Cameras = Float[Tensor, "b l 4 2"]
"""An affine camera for each limb: (x, y, z, 1) about `CENTRE` to normalised coordinates."""


def fit_cameras(
    places: Float[Tensor, "b 3 h w"], person: Float[Tensor, "b h w"], pose: Pose, canvas: Size
) -> Cameras:
    """Fit the cameras of crops to what they show.

    Args:
        places: Place of every cell on the body, in metres.
        person: Weights of the cells.
        pose: Joints (B, 18, 2) in pixels of the canvas.
        canvas: (height, width) of the crops.
    """
    count = places.shape[0]
    with torch.autocast(places.device.type, enabled=False):
        joints, shares, numbers = _joints()
        joints, shares = joints.to(places.device), shares.to(places.device)
        cells = places.float().flatten(2)
        points = torch.cat((cells, joints.expand(count, -1, -1)), 2)
        share = torch.cat((limb_shares(cells)[0], shares.expand(count, -1, -1)), 2)
        here = identity(*person.shape[1:], device=places.device).flatten(1).mT
        shown = to_normalised(pose.xy[:, numbers], canvas)
        known = pose.visible[:, numbers]
        position = torch.cat(
            (here.expand(count, -1, -1), torch.where(known[..., None], shown, 0.0)), 1
        )
        weight = torch.cat((person.float().flatten(1), JOINT * known), 1)
        whole = torch.ones_like(share[:, :1])
        table = (torch.cat((whole, share), 1)[:, :, None] * _with_one(points)[:, None]).flatten(
            1, 2
        )
        weighted = table * weight[:, None]
        ridge = torch.full((len(LIMBS) + 1, 4), RIDGE)
        ridge[0] = WHOLE
        square = (weighted @ table.mT).double() + torch.diag(ridge.flatten()).to(places.device)
        found = torch.linalg.solve(square, (weighted @ position).double()).float()
        found = found.unflatten(1, (len(LIMBS) + 1, 4))
        return found[:, :1] + found[:, 1:]


def project(
    cameras: Cameras, places: Float[Tensor, "b 3 n"], shares: Float[Tensor, "b l n"]
) -> Float[Tensor, "b 2 n"]:
    """Find where crops show places, or would if nothing were in front: normalised coordinates.

    Args:
        cameras: Of the crops.
        places: Of some cells, in metres.
        shares: With which limbs the places move, see `limb_shares`.
    """
    blend = (cameras.flatten(2).mT @ shares).unflatten(1, (4, 2))
    return (blend * _with_one(places)[:, :, None]).sum(1)


@cache
def _joints() -> tuple[Float[Tensor, "3 j"], Float[Tensor, "l j"], list[int]]:
    """List the joints' places, with which limbs they move, and their numbers in the skeleton."""
    places, numbers = joint_places()
    with one_thread():  # kept for all that follows, on whatever number of threads
        return places, limb_shares(places[None])[0][0], numbers


def _with_one(places: Float[Tensor, "b 3 n"]) -> Float[Tensor, "b 4 n"]:
    centre = torch.tensor(CENTRE, device=places.device)[:, None]
    return torch.cat((places - centre, torch.ones_like(places[:, :1])), 1)
