import signal

import pytest
from joblib import delayed

from reidaug.errors import ReidaugError
from reidaug.processes import in_processes


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_order(workers: int) -> None:
    found = in_processes((delayed(divmod)(k, 3) for k in range(9)), workers, advice="none")
    assert list(found) == [divmod(k, 3) for k in range(9)]


def test_a_killed_worker_is_one_line() -> None:
    tasks = [delayed(signal.raise_signal)(number) for number in (signal.SIGKILL,)]
    found = in_processes(tasks, 2, advice="try fewer --workers")
    with pytest.raises(ReidaugError, match=r"^a worker was killed.*; try fewer --workers$"):
        list(found)
