"""House law 4: SMTP is spoken in one file, and mail is put into the ledger, not sent."""

from __future__ import annotations

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "actionkit"
SENDING = {"smtplib", "aiosmtplib"}
ALLOWED = {"delivery/smtp.py"}
LOOKS_AT_THE_RELAY = {"doctor.py"}
"""`doctor` says whether the relay answers; it sends nothing."""


def imports(file: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.update({node.module, *(f"{node.module}.{alias.name}" for alias in node.names)})
    return found


def by_file() -> dict[str, set[str]]:
    return {str(file.relative_to(PACKAGE)): imports(file) for file in PACKAGE.rglob("*.py")}


def test_smtp_is_spoken_in_one_file() -> None:
    speakers = {file for file, names in by_file().items() if any(name.split(".")[0] in SENDING for name in names)}
    assert speakers - LOOKS_AT_THE_RELAY == ALLOWED


def test_messages_are_built_in_delivery() -> None:
    builders = {file for file, names in by_file().items() if any(n.split(".")[0] == "flask_mail" for n in names)}
    assert {file for file in builders if not file.startswith("delivery/")} == {"__init__.py"}


def test_no_view_knows_the_worker() -> None:
    """Requests never talk SMTP: no view reaches what does."""
    far = {"actionkit.delivery.smtp", "actionkit.delivery.worker", "actionkit.jobs"}
    for file, names in by_file().items():
        if file.endswith("views.py"):
            assert not names & far, f"{file} imports {names & far}"


def test_no_import_hides_in_a_function() -> None:
    """House law 2 is kept at the top of each file, where import-linter sees it too."""
    hidden = [
        f"{file.relative_to(PACKAGE)}:{node.lineno}"
        for file in PACKAGE.rglob("*.py")
        for function in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert hidden == []
