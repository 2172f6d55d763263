import numpy as np

from reidaug.people3d.camera_sampling import sample_camera
from reidaug.people3d.worlds import FEW_POSES, MANY_POSES, STREET


def test_cameras_of_few_poses_colour_more_than_those_of_many():
    def casts(world):
        optics = [sample_camera(world, 0, k).optics for k in range(1, 30)]
        gains = np.log([[o.red, o.green, o.blue] for o in optics])
        return (gains - gains.mean(1, keepdims=True)).std()

    assert casts(FEW_POSES) > 1.5 * casts(MANY_POSES)


def test_cameras_of_the_street_sharpen_and_hardly_colour() -> None:
    optics = [sample_camera(STREET, 0, k).optics for k in range(1, 30)]
    others = [sample_camera(MANY_POSES, 0, k).optics for k in range(1, 30)]
    gains, casts = (np.log([[o.red, o.green, o.blue] for o in every]) for every in (optics, others))
    assert np.ptp(gains, axis=1).mean() < 0.5 * np.ptp(casts, axis=1).mean()
    assert gains.mean(1).std() > 0.03  # exposure
    low, high = STREET.sharpen
    assert all(low <= one.sharpen <= high for one in optics)
    assert np.ptp([one.sharpen for one in optics]) > 0.5 * (high - low)
