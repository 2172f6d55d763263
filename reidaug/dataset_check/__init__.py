"""A linter of re-ID datasets: problems, advice and remarks, and how to act on them."""
