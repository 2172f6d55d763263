import pytest
import torch
from accelerate import Accelerator
from flow_figures import pairs, tiny

from reidaug.flow.disturbance import Disturbance
from reidaug.flow.learners import Descent, FlowLearner, Schedule
from reidaug.flow.method import Method
from reidaug.flow.objective import Objective, Weights
from reidaug.flow.unwarpme import UnWarpME

STILL = Disturbance(0.0, 0.0, 0.0)


def learner(net: UnWarpME, *cycle: str, steps: int = 10, rate: float = 2e-3) -> FlowLearner:
    descent = Descent(
        torch.optim.Adam(net.parameters(), betas=(0.5, 0.999)),
        accelerator=Accelerator(cpu=True),
        schedule=Schedule(steps=steps, rate=rate, shape="constant"),
    )
    return FlowLearner(
        Method(net), descent, objective=Objective(Weights()), cycle=cycle, disturbance=STILL
    )


def test_the_rate_rises_and_falls() -> None:
    cosine = Schedule(steps=100, rate=1.0, warmup=10)
    rates = [cosine.at(step) for step in range(100)]
    assert rates[0] < rates[5] < rates[10]
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[99] < 0.001
    assert Schedule(steps=100, rate=0.5, shape="constant").at(99) == 0.5


def test_tasks_are_taken_in_turn_and_named_in_the_losses() -> None:
    taught = learner(tiny(), "affine", "reconstruction", "exact+reconstruction")
    names = [set(taught.step(pairs(4, 0))) - {"rate"} for _ in range(4)]
    assert names == [
        {"affine"},
        {"l1", "structure"},
        {"exact", "l1", "structure"},
        {"affine"},
    ]


def test_a_task_nobody_knows_is_named() -> None:
    with pytest.raises(ValueError, match="adversarial"):
        learner(tiny(), "affine", "exact+adversarial")
    with pytest.raises(ValueError, match="cycle"):
        learner(tiny())


def test_the_affine_task_alone_teaches_affine_maps() -> None:
    taught, batch = learner(tiny(), "affine", steps=80), pairs(8, 0)
    losses = [taught.step(batch)["affine"] for _ in range(80)]
    assert sum(losses[-10:]) < 0.7 * sum(losses[:10])


@pytest.mark.parametrize("task", ["reconstruction", "exact"])
def test_each_task_of_pairs_learns_four_of_them_by_heart(task: str) -> None:
    batch = pairs(4, 0)
    taught = learner(tiny(), task, steps=80)
    first = taught.step(batch)
    for _ in range(79):
        last = taught.step(batch)
    name = "l1" if task == "reconstruction" else "exact"
    assert last[name] < 0.5 * first[name]


def test_what_a_step_draws_depends_on_its_number_alone() -> None:
    one, other = learner(tiny(), "affine"), learner(tiny(), "affine")
    for taught in (one, other):
        taught.disturbance = Disturbance(0.5, 0.2, 0.2)
    for _ in range(2):
        one.step(pairs(4, 0))
    first = one.step(pairs(4, 1))
    other.load_state_dict({"taken": 2})
    other.estimator.load_state_dict(tiny().state_dict())
    fresh = other.step(pairs(4, 1))
    again = learner(tiny(), "affine")
    again.disturbance = one.disturbance
    again.load_state_dict({"taken": 2})
    assert again.step(pairs(4, 1)) == fresh
    assert again.state_dict() == {"taken": 3} == one.state_dict()
    assert first != fresh  # weights had moved
