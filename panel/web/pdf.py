"""PDF in Hebrew, Persian and English: letters joined and ordered as they must be, fonts inside, made without a browser.

Fonts are those of the pages (OFL, built from npm), so that what a name looks like does not depend on the machine.
Without the built browser code there is no PDF: `is_possible` says so beforehand.
"""

from __future__ import annotations

import html
import logging
import re
import tempfile
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from panel import calendars
from panel.calendars import Reader
from panel.i18n import direction
from panel.web.bundle import DIST

if TYPE_CHECKING:
    from fpdf import FPDF

# In which order a character is looked for. The Latin one first: digits and marks look alike in all lines.
FONTS = (
    ("latin", "inter-latin-wght-normal-*.woff2"),
    ("hebrew", "heebo-hebrew-wght-normal-*.woff2"),
    ("arabic", "vazirmatn-arabic-wght-normal-*.woff2"),
    ("latin-ext", "inter-latin-ext-wght-normal-*.woff2"),
)
_LRI, _FSI, _PDI = "\u2066", "\u2068", "\u2069"
_MARKS = frozenset("\u200c\u200d\u200e\u200f\u2066\u2067\u2068\u2069\n ")
_GREY, _BLACK, _LINE = (95, 103, 110), (24, 28, 33), (214, 219, 223)
_lock = threading.Lock()


def is_possible() -> bool:
    return all(next(DIST.glob(pattern), None) for _, pattern in FONTS)


def plain(text: Any) -> str:
    """Markup as text; what stood in <bdi> keeps its own direction."""
    said = str(text).replace(' <span class="item-subject">', ": ")
    said = re.sub(r'<bdi dir="ltr"[^>]*>', _LRI, said)
    said = re.sub(r"<bdi[^>]*>", _FSI, said).replace("</bdi>", _PDI)
    return html.unescape(re.sub(r"<[^>]+>", "", said))


def own(value: Any) -> str:
    """A value with its own direction. One that holds such values is left alone: fpdf2 muddles nested ones."""
    said = plain(value)
    return said if _FSI in said or _LRI in said else f"{_FSI}{said}{_PDI}"


class Paper:
    """A4 pages that are filled from top to bottom; `pdf` is the file."""

    def __init__(self, reader: Reader, title: str) -> None:
        logging.getLogger("fontTools").setLevel(logging.ERROR)  # it tells of every table it leaves out
        folder, self._known = _fonts()
        self._align = "R" if direction(reader.language) == "rtl" else "L"
        self._pdf = _sheets(lambda number: self._foot(plain(title), calendars.in_digits(str(number), reader)))
        for name, _ in FONTS:
            self._pdf.add_font(name, "", folder / f"{name}.ttf")
        self._pdf.set_title(title)
        self._pdf.set_lang(reader.language)
        self._pdf.set_margins(18, 16, 18)
        self._pdf.set_auto_page_break(True, 18)
        self._pdf.set_text_shaping(True, direction=direction(reader.language))
        self._pdf.add_page()
        self._font(10)
        self.language = reader.language

    def heading(self, text: Any, size: float = 17) -> None:
        self._cell(text, size, _BLACK, size * 0.52)
        self._pdf.ln(1)

    def section(self, text: Any, size: float = 12) -> None:
        """A line across and a heading, never alone at the bottom of a page."""
        if self._pdf.will_page_break(24):
            self._pdf.add_page()
        else:
            self.rule()
        self.heading(text, size)

    def text(self, text: Any, *, size: float = 10, is_quiet: bool = False) -> None:
        self._cell(text, size, _GREY if is_quiet else _BLACK, size * 0.52)

    def gap(self, height: float = 3) -> None:
        self._pdf.ln(height)

    def rule(self) -> None:
        self._pdf.ln(1.5)
        self._pdf.set_draw_color(*_LINE)
        self._pdf.line(self._pdf.l_margin, self._pdf.y, self._pdf.w - self._pdf.r_margin, self._pdf.y)
        self._pdf.ln(2)

    def pair(self, label: Any, value: Any) -> None:
        """A line of a table: what it is, and what it says."""
        self._cell(f"{plain(label)}: {own(value)}", 9.5, _BLACK, 5)

    def finish(self) -> bytes:
        return bytes(self._pdf.output())

    def _foot(self, title: str, number: str) -> None:
        self._pdf.set_y(-13)
        self._cell(f"{_FSI}{title}{_PDI} · {number}", 8, _GREY, 4, align="C")

    def _font(self, size: float) -> None:
        self._pdf.set_font("latin", size=size)
        self._pdf.set_fallback_fonts([name for name, _ in FONTS[1:]], exact_match=False)

    def _cell(self, text: Any, size: float, color: tuple[int, int, int], height: float, align: str = "") -> None:
        said = "".join(one if one in _MARKS or ord(one) in self._known else "?" for one in plain(text))
        if not said.strip():
            return
        self._font(size)
        self._pdf.set_text_color(*color)
        self._pdf.multi_cell(0, height, said, align=align or self._align, new_x="LMARGIN", new_y="NEXT")


def _sheets(foot: Callable[[int], None]) -> FPDF:
    """A4; `foot` writes what stands at the bottom of each page, whose number it is given."""
    from fpdf import FPDF  # only who wants a PDF loads it

    class Sheets(FPDF):
        def footer(self) -> None:
            foot(self.page_no())

    return Sheets(format="A4")


@cache
def _kept() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="panel-fonts-")


def _fonts() -> tuple[Path, frozenset[int]]:
    """The fonts as files of one weight, made once in the life of the process (two seconds), and their characters."""
    with _lock:
        return _made()


@cache
def _made() -> tuple[Path, frozenset[int]]:
    from fontTools.ttLib import TTFont
    from fontTools.varLib.instancer import instantiateVariableFont

    folder, known = Path(_kept().name), set()
    for name, pattern in FONTS:
        font = TTFont(next(DIST.glob(pattern)))
        instantiateVariableFont(font, {"wght": 400}, inplace=True)
        font.flavor = None
        known |= set(font.getBestCmap())
        font.save(folder / f"{name}.ttf")
    return folder, frozenset(known)
