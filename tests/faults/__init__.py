"""Faults to survive: each one is done to the product as shipped, and what is left is counted.

`rig.py` runs them, `catalogue.py` lists them, and each other module holds a group of them. A fault
is one function whose docstring says what must come out.
"""
