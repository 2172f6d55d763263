from rate_tables import rate_grid


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
