"""Every query has a line, whether it can be scored or not."""

from pathlib import Path

import torch

from reidaug.data.market1501 import Person
from reidaug.experiments.query_results import as_csv, query_results


def test_known_answers() -> None:
    gallery = [Person(Path(f"{pid}_c{cam}.jpg"), pid, cam) for pid, cam in ((1, 1), (1, 2), (2, 2))]
    query = [Person(Path("q1.jpg"), 1, 1), Person(Path("q3.jpg"), 3, 1), Person(Path("x"), -1, 2)]
    features = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])
    rows = query_results(query, features, gallery, features, [50.0, None, None])
    first, second, unknown = rows
    assert first == ("q1.jpg", "1", "1", 1, 50.0, 1, "1_c2.jpg", 0.4, True)
    assert second == ("q3.jpg", "3", "1", 0, None, None, "1_c2.jpg", 0.0, False)
    assert (unknown.nearest, unknown.right, unknown.first_match) == ("2_c2.jpg", None, None)
    assert as_csv(rows).decode().splitlines()[2] == "q3.jpg,3,1,0,,,1_c2.jpg,0.0,False"
    assert query_results([], features, gallery, features, []) == []


def test_distances_are_by_the_metric() -> None:
    person, other = Person(Path("1_c1.jpg"), 1, 1), Person(Path("1_c2.jpg"), 1, 2)
    sets = ([person], torch.tensor([[3.0, 0.0]]), [other], torch.tensor([[3.0, 4.0]]), [100.0])
    assert query_results(*sets)[0].distance == 0.4
    assert query_results(*sets, metric="euclidean")[0].distance == 4.0


def test_a_query_whose_gallery_is_its_own_camera_alone_finds_nothing() -> None:
    person = Person(Path("1_c1.jpg"), 1, 1)
    rows = query_results([person], torch.ones(1, 2), [person], torch.ones(1, 2), [None])
    assert rows[0][3:] == (0, None, None, None, None, None)


def test_people_are_shown_as_they_are_written() -> None:
    anna = Person(Path("anna/1.jpg"), 2**48 + 5, 2**48 + 7, words=("anna", "door"))
    rows = query_results([anna], torch.ones(1, 2), [], torch.ones(0, 2), [None])
    assert rows[0][:3] == ("1.jpg", "anna", "door")
