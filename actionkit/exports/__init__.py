"""Signatures leaving as files, and letters on paper."""
