from rate_tables import balance_grid, rate_grid


def test_the_rate_that_a_table_uses_is_in_bold() -> None:
    row = {"rate": 3e-4, "0.0001": {"l1": 13.0}, "0.0003": {"l1": 12.125}, "0.001": {"l1": 14.0}}
    result = {
        "command": "run", "hardware": "a machine", "date": "today", "size": [64, 32],
        "budget": 4000, "rates": [1e-4, 3e-4, 1e-3], "chosen_by": "l1", "rows": {"mraa": row},
    }  # fmt: skip
    lines = rate_grid(result)
    assert "l1 after 4,000 pairs of 64 x 32" in lines[2]
    assert lines[4] == "| | 0.0001 | 0.0003 | 0.001 |"
    assert lines[6] == "| MRAA | 13.00 | **12.12** | 14.00 |"


def test_the_balance_that_the_tables_use_is_in_bold() -> None:
    scores = {"l1": 11.5, "epe_px": 4.5}
    result = {
        "command": "run", "hardware": "a machine", "date": "today", "size": [64, 32],
        "budget": 4000, "seeds": [0, 1], "weights": [10, 500], "chosen": 500, "kept": 1.01,
        "scores": ["l1", "epe_px"],
        "rows": {"affine_only": scores, "in_turn": scores, "summed_10": scores,
                 "summed_500": scores, "torso_affine": scores},
    }  # fmt: skip
    lines = balance_grid(result)
    assert "after 4,000 pairs of 64 x 32" in lines[2]
    assert "endpoint error is within 1 % of that of the affine task alone" in lines[2]
    assert lines[6] == "| affine task alone | 11.50 | 4.50 |"
    assert lines[8:11] == [
        "| sum, the affine task 10 times | 11.50 | 4.50 |",
        "| **sum, the affine task 500 times** | 11.50 | 4.50 |",
        "| torso affine | 11.50 | 4.50 |",
    ]
