"""Cameras: the projection of a person into a crop, and the effects of lens and sensor."""

from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from scipy.ndimage import gaussian_filter, zoom

from reidaug.people3d.body import Floats

AIM = 0.95
"""Height in metres above the ground that cameras point at."""


class View(NamedTuple):
    """Viewpoint of a camera, and the crop around the person."""

    # Direction the person faces in radians: 0 to the camera, pi/2 to the right edge, pi away.
    yaw: float
    height: float  # camera height over the ground in metres
    distance: float  # from the camera to the person in metres
    zoom: float  # share of the crop's height that the person fills
    stretch: float  # horizontal scale over vertical scale: detection boxes are resized to the crop
    shift_x: float  # offset of the person from the crop's middle, in crop widths
    shift_y: float  # the same in crop heights
    roll: float  # camera roll in radians


class Optics(NamedTuple):
    """Lens and sensor of a camera."""

    red: float  # gain of the channel
    green: float  # gain of the channel
    blue: float  # gain of the channel
    gamma: float  # exponent of the tone curve
    saturation: float  # 0 grey, 1 unchanged
    blur: float  # standard deviation in pixels of a crop of 128 rows
    shrink: float  # camera resolution over crop resolution, at most 1
    noise: float  # standard deviation of the sensor noise, image range [0, 1]
    # Strength of the camera's own sharpening: share of the detail finer than a pixel of a crop of
    # 128 rows that is added.
    sharpen: float = 0.0


PLAIN_OPTICS = Optics(1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 1.0, 0.0)


class Projection(NamedTuple):
    """Perspective projection into one crop."""

    rotation: Floats  # rows are the camera's right, down and forward axes (3, 3)
    centre: Floats  # the camera's position (3,)
    scale: Floats  # pixels per unit of the image plane (2,), x then y
    offset: Floats  # pixel of the optical axis (2,)

    def __call__(self, points: Floats) -> Floats:
        """Project points (P, 3) in metres to x and y in pixels, then depth in metres (P, 3).

        (0, 0) is the centre of the first pixel.
        """
        local = (points - self.centre) @ self.rotation.T
        xy = local[:, :2] / local[:, 2:] * self.scale + self.offset
        result: Floats = np.concatenate((xy, local[:, 2:]), axis=1).astype(np.float32)
        return result

    def finer(self, factor: int) -> "Projection":
        """Refine the projection to the same crop at ``factor`` times the resolution."""
        return self._replace(scale=self.scale * factor, offset=(self.offset + 0.5) * factor - 0.5)


def crop_projection(view: View, body: Floats, trunk: Floats, size: tuple[int, int]) -> Projection:
    """Compute the projection into the crop a detector would make.

    Args:
        view: Viewpoint and crop.
        body: Points (P, 3) that must fit: the person without bags.
        trunk: Points (Q, 3) whose mean decides, with the body's extent, the crop's middle.
        size: (height, width) in pixels.
    """
    centre = np.array([0.0, -view.distance, view.height], np.float32)
    forward = np.array([0, 0, AIM], np.float32) - centre
    forward /= np.linalg.norm(forward)
    right = np.array([1.0, 0.0, 0.0], np.float32)
    down = np.cross(forward, right)
    c, s = np.cos(view.roll), np.sin(view.roll)
    rotation = np.stack((c * right + s * down, c * down - s * right, forward)).astype(np.float32)
    raw = Projection(rotation, centre, np.ones(2, np.float32), np.zeros(2, np.float32))
    extent, middle = raw(body), raw(trunk)[:, 0].mean()
    top, bottom = extent[:, 1].min(), extent[:, 1].max()
    across = 0.5 * middle + 0.25 * (extent[:, 0].min() + extent[:, 0].max())
    height, width = size
    tall = view.zoom * height / (bottom - top)
    scale = np.array([tall * view.stretch, tall], np.float32)
    x = width * (0.5 + view.shift_x) - 0.5 - across * scale[0]
    y = height * (0.5 + view.shift_y) - 0.5 - 0.5 * (top + bottom) * scale[1]
    return Projection(rotation, centre, scale, np.array([x, y], np.float32))


def expose(image: Floats, optics: Optics, rng: Generator) -> Floats:
    """Apply lens and sensor effects to a scene (H, W, 3) in [0, 1]; the noise is random."""
    height, width = image.shape[:2]
    blur = optics.blur * height / 128
    if blur > 0:
        image = gaussian_filter(image, (blur, blur, 0), mode="nearest")
    if optics.shrink < 1:
        image = _soften(image, optics.shrink)
    if optics.sharpen > 0:
        detail = height / 128
        smooth = gaussian_filter(image, (detail, detail, 0), mode="nearest")
        image = image + optics.sharpen * (image - smooth)
    grey = image.mean(-1, keepdims=True)
    image = grey + optics.saturation * (image - grey)
    image = np.clip(image, 0, 1) ** optics.gamma
    image = image * np.array([optics.red, optics.green, optics.blue], np.float32)
    if optics.noise > 0:
        grain = rng.standard_normal((height, width, 3), dtype=np.float32)
        common = rng.standard_normal((height, width, 1), dtype=np.float32)
        image = image + optics.noise * (0.6 * grain + 0.8 * common)
    result: Floats = np.clip(image, 0, 1).astype(np.float32)
    return result


def _soften(image: Floats, shrink: float) -> Floats:
    height, width = image.shape[:2]
    small = (max(2, round(height * shrink)), max(2, round(width * shrink)))
    low = zoom(
        image, (small[0] / height, small[1] / width, 1), order=1, grid_mode=True, mode="nearest"
    )
    back = (height / low.shape[0], width / low.shape[1], 1)
    result: Floats = zoom(low, back, order=1, grid_mode=True, mode="nearest")
    return result
