import numpy as np

from reidaug.people3d.camera_sampling import sample_camera
from reidaug.people3d.worlds import FEW_POSES, MANY_POSES


def test_cameras_of_few_poses_colour_more_than_those_of_many():
    def casts(world):
        optics = [sample_camera(world, 0, k).optics for k in range(1, 30)]
        gains = np.log([[o.red, o.green, o.blue] for o in optics])
        return (gains - gains.mean(1, keepdims=True)).std()

    assert casts(FEW_POSES) > 1.5 * casts(MANY_POSES)
