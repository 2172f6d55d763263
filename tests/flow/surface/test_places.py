import numpy as np
import torch

from reidaug.flow.surface.places import AXIS_Y, CHANNELS, mirrored_places
from reidaug.people3d import anatomy, surface_maps


def test_places_are_those_of_rendered_people():
    assert CHANNELS == surface_maps.CHANNELS
    assert np.isclose(AXIS_Y, anatomy.AXIS_Y)


def test_mirrored_places_exchange_left_and_right_alone():
    places = torch.tensor([[0.2], [-0.1], [0.5], [1.0]])
    assert mirrored_places(places).flatten().tolist() == torch.tensor([-0.2, -0.1, 0.5, 1]).tolist()
    assert torch.equal(mirrored_places(mirrored_places(places)), places)
