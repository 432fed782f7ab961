"""Signatures that come in as files: from paper, or from another tool."""
