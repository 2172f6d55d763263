import numpy as np

from reidaug.people3d.anatomy import Chart, skin_chart


def test_a_chart_survives_a_table():
    chart = skin_chart()
    table = chart.table()
    assert table.shape == (len(chart.head), 9)
    assert all(np.array_equal(a, b) for a, b in zip(Chart.from_table(table), chart, strict=True))


def test_limbs_are_measured_from_the_trunk_outwards():
    chart = skin_chart()
    x, _, z = chart.position.T
    hands, feet = chart.arm > 1.9, chart.leg > 1.9
    assert np.abs(x[hands]).min() > 0.4 and z[feet].max() < -0.6
    assert (chart.arm[chart.head > 0.9] < 0).all()
