import numpy as np

from reidaug.people3d.appearance import PATTERNS, Fabric
from reidaug.people3d.texture import fabric_colour

BLACK, WHITE, RED = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (1.0, 0.0, 0.0)


def fabric(pattern):
    return Fabric(pattern, BLACK, WHITE, RED, 0.1, 5)


def test_there_are_at_least_ten_patterns_and_all_differ(rng):
    assert len(PATTERNS) >= 10
    u, v = rng.uniform(-0.3, 0.3, 4000), rng.uniform(0.1, 0.7, 4000)
    painted = [fabric_colour(fabric(pattern), u, v) for pattern in PATTERNS]
    for k, one in enumerate(painted):
        assert one.min() >= 0 and one.max() <= 1
        for other in painted[:k]:
            assert np.abs(one - other).mean() > 0.05


def test_stripes_have_the_given_length():
    v = np.linspace(0, 1, 1001)[:-1]
    rows = fabric_colour(fabric("horizontal"), np.zeros(1000), v)[:, 0]
    assert np.count_nonzero(np.diff(rows)) == 19  # ten repeats of a dark and a light one
    assert np.ptp(fabric_colour(fabric("vertical"), np.zeros(1000), v)) == 0
