"""Signatures leaving as files."""
