"""House law 3: where `commit()` may stand, read from the code itself."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "actionkit"

WHOLE_FILES = {"cli.py", "jobs.py", "delivery/worker.py", "delivery/clerk.py"}
"""Commands, jobs, the worker and its clerk end their own transactions."""
NAMED = {
    "exports/views.py": {"_leave_trace"},  # a GET that leaves its trace before its first byte, and after its last
    "people/audit_views.py": {"download"},  # the same, for the trail itself
    "serve.py": {"_first_start"},
    # around Flask-Security's own views, and one end of two POST views
    "staff/views.py": {"sign_in", "sign_out", "_choose_password"},
}
"""Functions that may, though they are no POST view."""


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def innermost(tree: ast.Module, call: ast.AST) -> ast.FunctionDef | None:
    around = [f for f in functions(tree) if any(node is call for node in ast.walk(f))]
    return min(around, key=lambda f: len(list(ast.walk(f))), default=None)


def commits(tree: ast.Module) -> list[ast.Call]:
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "commit"
    ]


def is_post_view(function: ast.FunctionDef) -> bool:
    return any(
        isinstance(d, ast.Call) and isinstance(d.func, ast.Attribute) and d.func.attr == "post"
        for d in function.decorator_list
    )


def misplaced(file: str, code: str) -> list[str]:
    tree = ast.parse(code)
    wrong = []
    for call in commits(tree):
        function = innermost(tree, call)
        name = function.name if function else "module"
        is_allowed = (
            file in WHOLE_FILES
            or name in NAMED.get(file, ())
            or (function is not None and file.endswith("views.py") and is_post_view(function))
        )
        if not is_allowed:
            wrong.append(f"{file}:{call.lineno} in {name}")
    return wrong


def files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def test_commits_stand_where_the_house_says() -> None:
    wrong = [place for file in files() for place in misplaced(str(file.relative_to(PACKAGE)), file.read_text("utf-8"))]
    assert wrong == [], "only POST views, cli.py, jobs.py and the worker commit; see house law 3"


def test_one_post_is_one_transaction() -> None:
    """A view may commit in each of its branches, and never twice on one way."""
    for file in PACKAGE.rglob("*views.py"):
        tree = ast.parse(file.read_text("utf-8"))
        for function in functions(tree):
            own = [call for call in commits(function) if innermost(tree, call) is function]  # type: ignore[arg-type]
            on_main_way = [
                statement for statement in function.body if isinstance(statement, ast.Expr) and statement.value in own
            ]
            assert len(on_main_way) <= 1, f"{file.name}: {function.name} commits twice"


@pytest.mark.parametrize(
    ("file", "code", "is_wrong"),
    [
        ("signing/operations.py", "def sign():\n    db.session.commit()", True),
        ("signing/views.py", "@blueprint.get('/')\ndef show():\n    db.session.commit()", True),
        ("signing/views.py", "@blueprint.post('/')\ndef sign():\n    db.session.commit()", False),
        ("signing/views.py", "@blueprint.post('/')\ndef sign():\n    def f():\n        s.commit()", True),
        ("jobs.py", "def count():\n    db.session.commit()", False),
        ("db.py", "session.commit()", True),
    ],
)
def test_the_rule_finds_what_it_should(file: str, code: str, is_wrong: bool) -> None:
    assert bool(misplaced(file, code)) == is_wrong


def test_named_exceptions_exist() -> None:
    for file, names in NAMED.items():
        found = {function.name for function in functions(ast.parse((PACKAGE / file).read_text("utf-8")))}
        assert names <= found, f"{file} no longer has {names - found}: take it off the list"
