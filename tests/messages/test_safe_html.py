"""Hostile HTML shown in a message's frame: nothing runs, nothing loads, nothing leads back to us."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

from panel.messages.safe_html import safe_html, safe_styles

OWN = "https://panel.test"
CORPORA = Path(__file__).parents[3] / "shared/corpora"


def payloads() -> list[str]:
    """The shared collections where they are checked out, and a few that must always be tried."""
    found = [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<a href='javascript:alert(1)'>x</a>",
        "<svg/onload=alert(1)>",
        "<iframe srcdoc='<script>alert(1)</script>'>",
        "<style>@import 'https://evil.test/x.css';</style><p style='background:url(https://evil.test/x)'>x</p>",
        "<form action=https://evil.test><input></form><base href=https://evil.test><meta http-equiv=refresh content=0>",
        f"<a href='{OWN}/u/x'>x</a><a href='//panel.test/c/x'>y</a><a href='/c/x'>z</a><a href='HTTPS://PANEL.TEST/c/x'>w</a>",
        f"<img src='{OWN}/o/x.gif'><img src='/o/x.gif'>",
    ]
    for path in sorted((CORPORA / "xss").glob("*.txt")):
        found += [line for line in path.read_text(errors="replace").splitlines() if line.strip()]
    expected = CORPORA / "xss/dompurify_expect.json"
    if expected.exists():
        found += [one["payload"] for one in json.loads(expected.read_text())]
    return found


class _Judge(HTMLParser):
    """Collects what a browser could act on."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.faults: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {
            "script",
            "style",
            "iframe",
            "object",
            "embed",
            "form",
            "base",
            "meta",
            "link",
            "svg",
            "math",
            "input",
        }:
            self.faults.append(tag)
        for name, value in attrs:
            text = "".join((value or "").split()).lower()
            if name.startswith("on") or name in {"srcdoc", "srcset", "formaction", "action", "background", "ping"}:
                self.faults.append(name)
            if name == "src" and not text.startswith("data:image/"):
                self.faults.append(f"src={text[:40]}")
            if name == "href":
                self.faults.append(f"href={text[:40]}")
            if name == "style" and ("url(" in text or "expression(" in text or "@import" in text):
                self.faults.append(f"style={text[:60]}")


def test_nothing_in_any_collection_can_act():
    tried = 0
    for payload in payloads():
        judge = _Judge()
        judge.feed(safe_html(payload, OWN))
        assert judge.faults == [], payload
        tried += 1
    assert tried >= 9


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("<html><head><title>subject</title></head><body><p>x</p></body></html>", "<p>x</p>"),
        ('<p dir="rtl" style="color: red; position: fixed">שלום</p>', '<p dir="rtl" style="color:red">שלום</p>'),
        (
            '<a style="color: red" href="https://shop.test/?a=1&amp;b" title="y">x</a>',
            '<a style="color:red" data-href="https://shop.test/?a=1&amp;b" title="https://shop.test/?a=1&amp;b"'
            ' role="link" aria-disabled="true">x</a>',
        ),
        ('<img src="data:image/png;base64,AA==" alt="x">', '<img src="data:image/png;base64,AA==" alt="x">'),
    ],
)
def test_what_makes_a_mail_look_right_stays(given, kept):
    assert safe_html(given, OWN) == kept


def test_a_tracked_link_says_where_it_led_and_never_its_own_address():
    cleaned = safe_html(f'<a href="{OWN}/c/token">x</a><a href="{OWN}/u/token">y</a>', OWN,
                        targets={f"{OWN}/c/token": "https://shop.test/"})  # fmt: skip
    assert "token" not in cleaned
    assert 'title="https://shop.test/"' in cleaned


def test_style_sheets_keep_what_makes_a_mail_fit_and_ask_for_nothing():
    kept = safe_styles(
        "<style>@import url(https://evil.test/a.css); /* x */ @media (max-width: 480px) {.a {width: 100%;"
        " background: u\\rl(https://evil.test/b)} .b {color: red}}</style><p>x<style></p>.c{color:#fff}</style>"
        '<style>@font-face{src:url("//evil.test/f")} </style >'
    )
    assert "@media (max-width: 480px) {.a {width: 100%;" in kept
    assert ".b {color: red}" in kept
    for bad in ("@import", "<", "url("):
        assert bad not in kept, kept


def test_no_style_sheet_of_any_collection_can_end_early_or_ask_for_something():
    for payload in payloads():
        kept = safe_styles(f"<style>{payload}</style>{payload}")
        assert "<" not in kept
        assert "url(" not in kept.lower()
        assert "@import" not in kept.lower()
