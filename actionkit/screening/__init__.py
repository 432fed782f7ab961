"""WHAT may be counted at once and what a person looks at first, judged before it is stored."""
