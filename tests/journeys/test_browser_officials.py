"""Officials in the browser: a spreadsheet's file becomes officials of a campaign, and one gets another address."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.browser import ITALY, World, world

pytestmark = pytest.mark.browser

ROWS = (
    "Nome;Cognome;Email;Lingua;Paese;Incarico;Telefono",
    "Ada;Prova;ada@example.org;Italiano;Italia;Ministra del Mare;1",
    "Bruno;Sàggio;bruno@example.org;it;IT;Ministro dei Monti;2",
    "Carla;Guasto;carla at example.org;it;IT;Ministra;3",
)


@pytest.fixture(scope="module")
def on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("officials")) as running:
        yield running


def test_from_a_spreadsheet_to_a_campaign_and_to_another_address(on: World, tmp_path: Path) -> None:
    link = on.site.command("staff", "add", "carla@desk.example", "--role", "admin").strip().splitlines()[-1]
    file, large = tmp_path / "lista.csv", tmp_path / "large.csv"
    file.write_bytes("\r\n".join(ROWS).encode("cp1252"))
    with on.visitor(is_staff=True) as carla:
        page = carla.go(link)
        carla.press("Sign in")
        carla.follow("Officials")
        carla.follow("Import a list")
        carla.check()
        large.write_text("name,email,language\n" + "".join(f"Office {n},{n}@example.org,\n" for n in range(50_000)))
        page.set_input_files("#file", large)
        carla.press("Look at it", 422)
        assert "more than 20000 rows" in page.locator(".error-summary").inner_text(), "1.4 MB arrived whole"
        page.set_input_files("#file", file)
        page.select_option("#campaign", ITALY)
        carla.press("Look at it")
        carla.check()
        assert page.locator(".numbers li").all_inner_texts()[0].split() == ["2", "new", "officials"]
        assert "Windows-1252" in page.locator("main").inner_text()
        carla.walk_with_tab()
        carla.press("Store the 2 good ones only")
        carla.follow("All officials")
        page.fill("#q", "sàggio")
        carla.press("Search")
        carla.follow("Bruno Sàggio")
        page.fill("#email", "monti@example.org")
        carla.press("Write to this address from now on")
        assert page.locator(".rows th.address").all_inner_texts() == ["monti@example.org", "bruno@example.org"]
        carla.check()
        carla.follow("Take it out of use …")
        carla.check()
        carla.press("Take it out of use")
        carla.press("Take it back into use")
        assert "in use again" in page.get_by_role("status").inner_text()
