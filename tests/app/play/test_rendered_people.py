from reidaug.app.play.rendered_people import rendered_people
from reidaug.augment.pose_pool import covered
from reidaug.geometry.pose import shows_torso


def test_several_people_come_with_exact_joints_and_masks() -> None:
    people = rendered_people()
    assert len({person.name.split("_")[0] for person in people}) == len(people) >= 3
    for person in people:
        assert person.image.shape[1:] == person.mask.shape == (256, 128)
        assert covered(person.pose, person.mask) == 1
    assert shows_torso(people[0].pose)
