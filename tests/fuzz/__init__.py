"""Random requests to every public route: whatever comes, the answer is not a fault of ours.

`python -m tests.fuzz --minutes 10` runs it against the product as shipped; a few seconds of it
are in the test suite.
"""
