import numpy as np

from reidaug.people3d.anatomy import skin_chart
from reidaug.people3d.garment_coverage import (
    hair_below_cap,
    under_hair,
    under_shoes,
    under_top,
    under_trousers,
)


def test_garments_cover_their_part_of_the_body(mesh):
    chart = skin_chart()
    z = chart.position[:, 2]
    assert z[under_shoes(mesh.appearance, chart)].max() < z[under_top(mesh.appearance, chart)].min()
    hair = mesh.appearance.hair
    short = mesh.appearance._replace(hair=hair._replace(style="short"))
    assert chart.head[under_hair(short, chart)].min() > 0.5


def test_longer_trousers_cover_more(mesh):
    chart, bottom = skin_chart(), mesh.appearance.bottom
    short, knee, long = (
        under_trousers(mesh.appearance._replace(bottom=bottom._replace(length=length)), chart)
        for length in (0.5, 1.0, 1.95)
    )
    assert (short <= knee).all() and (knee <= long).all()
    assert short.sum() < knee.sum() < long.sum()


def test_hair_shows_below_a_cap_and_a_bald_head_has_none(mesh):
    chart, hair = skin_chart(), mesh.appearance.hair
    cap, bald = (
        mesh.appearance._replace(hair=hair._replace(style=style)) for style in ("cap", "bald")
    )
    assert np.any(hair_below_cap(cap, chart) & ~under_hair(cap, chart))
    assert not under_hair(bald, chart).any() and not hair_below_cap(bald, chart).any()
