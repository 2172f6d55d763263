from reidaug.dataset_check.findings import Finding, Tally, number, ranked


def test_a_tally_counts_everything_and_keeps_the_first_three() -> None:
    tally = Tally(str(k) for k in range(5))
    assert (tally.count, tally.examples) == (5, ("0", "1", "2"))


def test_a_finding_prints_rank_examples_and_advice() -> None:
    finding = Finding.problem("query", "bad", "repair it", Tally("abcd"), ("evaluation",))
    assert finding.lines() == [
        "PROBLEM query: bad (stops evaluation)",
        "        a, b, c and 1 more",
        "        -> repair it",
    ]
    assert Finding.remark("query", "odd", "none", Tally()).lines()[0] == "remark  query: odd"


def test_findings_are_sorted_by_rank() -> None:
    remark, advice = (
        make("query", "what", "how", Tally()) for make in (Finding.remark, Finding.advise)
    )
    problem = Finding.problem("query", "what", "how", Tally(), ("training",))
    assert ranked([remark, problem, advice]) == (problem, advice, remark)


def test_numbers_are_written_with_their_noun() -> None:
    assert number(1, "image") == "1 image"
    assert number(12_936, "image") == "12,936 images"
    assert number(2, "query", "queries") == "2 queries"
