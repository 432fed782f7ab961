"""Folders on a disk that may lose its power."""

from __future__ import annotations

import os
from pathlib import Path


def fsync_folder(folder: Path) -> None:
    """Let the names in a folder outlive a power cut (fsync(2): a file's own fsync does not see to its name)."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
