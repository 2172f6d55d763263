"""Surface maps: where on the body each cell of an image's grid is.

The place of a surface point is its position on the mean body at rest, in metres, the same for the
same point of everybody; a bag's is where it hangs on the mean body.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reidaug.people3d.accessories import BAG
from reidaug.people3d.body import Floats
from reidaug.people3d.camera import Projection, View
from reidaug.people3d.mesh import PersonMesh, pose_mesh
from reidaug.people3d.motion import Posture
from reidaug.people3d.raster import interpolate, rasterise
from reidaug.people3d.render import add_neck, project_person, visible_joints

CHANNELS = 4
"""Channels of a surface map: x, y, z in metres, and 1 on a bag or 0 elsewhere."""


class PosedPerson(NamedTuple):
    """A person in a pose, projected into an image."""

    vertices: Floats  # vertices of the posed mesh (V, 3) in metres
    joints: Floats  # the 18 joints (18, 3): x and y in pixels, then depth in metres
    projection: Projection  # into the image
    tall: float  # extent of the person upright on the image plane, in metres at their distance


def pose_person(
    mesh: PersonMesh, posture: Posture, view: View, size: tuple[int, int]
) -> PosedPerson:
    """Pose a person and project them into an image of (height, width)."""
    vertices, joints = pose_mesh(mesh, posture, view.yaw)
    projection = project_person(mesh, view, vertices, joints, size)
    points = projection(add_neck(joints))
    depth = float(points[[2, 5, 8, 11], 2].mean())
    tall = size[0] * view.zoom * depth / float(projection.scale[1])
    return PosedPerson(vertices, points, projection, tall)


def framed_like(view: View, tall: float, source: View, source_tall: float) -> View:
    """Frame a view as another image of the person is framed: at its scale, the head at its height.

    Args:
        view: The view; its zoom and shift do not count.
        tall: Of the person in this view, see `PosedPerson`.
        source: The view of the other image.
        source_tall: Of the person in that one.
    """
    zoom = source.zoom * tall / source_tall
    return view._replace(
        zoom=zoom,
        stretch=source.stretch,
        shift_x=source.shift_x,
        shift_y=source.shift_y + (zoom - source.zoom) / 2,
    )


def surface_map(
    mesh: PersonMesh, posed: PosedPerson, size: tuple[int, int], grid: tuple[int, int]
) -> Floats:
    """Compute the surface map (4, *grid) of a posed person, NaN off the person.

    The corners of the grid are the centres of the corner pixels of the image of (height, width).
    """
    scale = np.array([(grid[1] - 1) / (size[1] - 1), (grid[0] - 1) / (size[0] - 1)], np.float32)
    p = posed.projection
    surface = rasterise(
        p._replace(scale=p.scale * scale, offset=p.offset * scale)(posed.vertices), mesh.faces, grid
    )
    on = surface.face >= 0
    result = np.full((CHANNELS, *grid), np.nan, np.float32)
    result[:3, on] = interpolate(mesh.place, mesh.faces, surface.face[on], surface.weights[on]).T
    result[3, on] = mesh.part[surface.face[on]] == BAG
    return result


def outline_of(mesh: PersonMesh, posed: PosedPerson, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Find the outline (H, W) of a posed person, whatever is in front of them."""
    outline: NDArray[np.bool_] = (
        rasterise(posed.projection(posed.vertices), mesh.faces, size).face >= 0
    )
    return outline


def joints_in(mesh: PersonMesh, posed: PosedPerson, size: tuple[int, int]) -> Floats:
    """List the 18 joints (18, 3) of a posed person: x and y in pixels, and 1 where visible."""
    depth = rasterise(posed.projection(posed.vertices), mesh.faces, size).depth
    visible = visible_joints(posed.joints, depth, np.zeros(size, np.bool_))
    return np.column_stack((posed.joints[:, :2], visible)).astype(np.float32)
