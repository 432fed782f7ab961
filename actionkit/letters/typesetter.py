"""The process that sets letters: JSON on standard input, a PDF on standard output.

A process of its own, run by its path and importing nothing of actionkit: typst keeps what it has
set in memory (600 MB after a few volumes), and gives it back only with the end of its process.
Nothing that people wrote is quoted when it fails.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from pathlib import Path
from typing import Any

import fontpkg_amiri
import manimgx_fonts
import manimgx_fonts_cjk
import typst

TEMPLATE = Path(__file__).with_name("print.typ")
FONT_PACKAGES = (manimgx_fonts, manimgx_fonts_cjk, fontpkg_amiri)
MAIN = "Noto Sans"
ARABIC = "Amiri"
"""Before Noto Sans Arabic, whose letters are put together from pieces: what is copied out of such a PDF, or
read aloud, is broken."""
CJK = {"zh": "SC", "ja": "JP", "ko": "KR", "zh-TW": "TC", "zh-HK": "HK", "zh-MO": "HK"}
"""Which of the Chinese, Japanese and Korean forms of a character a language wants; else the first."""
NO_GLYPH = "could not be displayed"
"""typst's words for a character that none of the fonts has; it refuses to leave a box in a PDF/UA."""
LARGEST_MEMORY = 2 * 1024**3
NICE = 10
"""Whoever signs goes before whoever prints."""


class Typesetter:
    """Sets letters that share their fonts."""

    def __init__(self, job: dict[str, Any]) -> None:
        self._job = job
        folders = [str(Path(package.__file__ or "").parent) for package in FONT_PACKAGES]
        self._fonts = typst.Fonts(
            include_system_fonts=False, include_embedded_fonts=False, font_paths=[*folders, *job["font_folders"]]
        )
        self._source = TEMPLATE.read_bytes()

    def pdf(self, letters: list[dict[str, Any]], remark: dict[str, Any] | None = None) -> bytes:
        given = {
            "title": self._job["title"],
            "language": self._job["language"],
            "letters": letters,
            "remark": remark,
            "fonts": {
                language: self._fonts_for(language, region)
                for language, region in {
                    (self._job["language"], None),
                    *((each["language"], each["region"]) for each in letters),
                }
            },
        }
        made = typst.compile(
            self._source,
            sys_inputs={"given": json.dumps(given)},
            font_paths=self._fonts,
            ignore_system_fonts=True,
            format="pdf",
            pdf_standards=["ua-1"],
        )
        assert isinstance(made, bytes)
        return made

    def _fonts_for(self, language: str, region: str | None) -> list[str]:
        """Every family there is, those of the language first."""
        form = CJK.get(f"{language}-{region}") or CJK.get(language) or CJK["zh"]
        first = [MAIN, f"{MAIN} CJK {form}", ARABIC]
        return first + [family for family in self._fonts.families() if family not in first]

    def has_glyphs(self, letter: dict[str, Any]) -> bool:
        try:
            self.pdf([letter])
        except typst.TypstError as error:
            if NO_GLYPH not in str(error):
                raise
            return False
        return True


def main() -> None:
    os.nice(NICE)
    resource.setrlimit(resource.RLIMIT_AS, (LARGEST_MEMORY, LARGEST_MEMORY))
    job = json.load(sys.stdin.buffer)
    typesetter, letters = Typesetter(job), job["letters"]
    left_out: list[int] = []
    try:
        made = typesetter.pdf(letters)
    except typst.TypstError as error:
        if NO_GLYPH not in str(error):
            raise
        left_out = [n for n, letter in enumerate(letters) if not typesetter.has_glyphs(letter)]
        remark = {**job["remark"], "references": [letters[n]["reference"] for n in left_out]}
        made = typesetter.pdf([letter for n, letter in enumerate(letters) if n not in left_out], remark)
    sys.stdout.buffer.write(json.dumps(left_out).encode() + b"\n" + made)


if __name__ == "__main__":
    try:
        main()
    except Exception as error:
        sys.exit(type(error).__name__)
