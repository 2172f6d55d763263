import numpy as np
from rank_agreement import Scores, agreement, best_first, ceiling


def world(means: list[float], noise: float, seed: int, people: int = 40) -> Scores:
    """Draw average precisions of some settings: 3 seeds, two queries of each person."""
    rng = np.random.default_rng(seed)
    pids = np.repeat(np.arange(people), 2)
    ap = np.array(means)[:, None, None] + rng.normal(0, 10, 2 * people)
    return Scores(ap + rng.normal(0, noise, (len(means), 3, 2 * people)), pids)


def test_the_same_order_agrees_and_the_reverse_does_not() -> None:
    up = world([10, 20, 30, 40], 1, 1)
    same, reverse = (agreement(up, world(means, 1, 2)) for means in ([1, 2, 3, 9], [9, 3, 2, 1]))
    assert best_first(up) == [3, 2, 1, 0]
    assert same.tau == 1 and same.tau_decided == 1 and same.decided == same.pairs == 6
    assert reverse.tau == -1 and reverse.tau_decided == -1


def test_one_swapped_pair_of_six_costs_a_third() -> None:
    found = agreement(world([10, 20, 30, 40], 1, 1), world([20, 10, 30, 40], 1, 2))
    assert found.tau == round((5 - 1) / 6, 3)
    low, high = found.interval
    assert low <= found.tau <= high


def test_pairs_that_photographs_do_not_decide_count_apart() -> None:
    first = world([10, 10, 40, 70], 8, 3)
    swapped = world([20, 10, 40, 70], 0.1, 4)
    found = agreement(first, swapped)
    assert found.decided == 5 and found.pairs == 6 and found.tau_decided == 1


def test_an_order_of_chance_is_not_reproducible() -> None:
    clear, chance = (ceiling(world(means, 8, 5)) for means in ([0, 20, 40, 60], [0, 0, 0, 0]))
    assert clear.tau == 1 and clear.interval == (1, 1) and clear.decided == 6
    assert abs(chance.tau) < 0.5 and chance.decided <= 1


def test_an_interval_draws_people_with_all_their_queries() -> None:
    """A person whose queries all favour one setting moves the interval as one, not as many."""
    ap = np.zeros((2, 1, 40))
    ap[0, 0, :20] = 1.5  # of one person; 20 others have one query each and favour the other
    ap[1, 0, 20:] = 1.0
    pids = np.array([0] * 20 + list(range(1, 21)))
    steady = Scores(np.array([[[1.0]], [[0.0]]]).repeat(40, axis=2), pids)
    found = agreement(steady, Scores(ap, pids))
    assert found.tau == 1 and found.interval == (-1, 1)
