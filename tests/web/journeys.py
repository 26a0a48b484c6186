"""A journeys file for the pages' tests: one good journey, and a broken one to add."""

from __future__ import annotations

import re
from pathlib import Path

from flask import Flask

HEAD = """# What we send, and when it must stop.
language: 1

defaults:
  fallback_time_zone: Asia/Jerusalem   # when we do not know the contact's

journeys:
"""
WIN_BACK = """  win_back:
    name: מתגעגעים אליך
    purpose: service
    start_when:
      - manual: yes
      - tag_added: quiet
    re_enter: after 6 months
    review_after: 90 days   # the owner is asked then
    steps:
      - send: {via: email, subject: "We miss you", text: "Hello [[first name|friend]]!"}
        id: miss_you
      - wait: 1 week
      - if: {message: miss_you, was: clicked}
        then:
          - tag: warm
        else:
          - note: did not click
"""
FILE = HEAD + WIN_BACK
BROKEN = """
  broken:
    name: Broken
    purpose: service
    start_when:
      - manual: yes
    review_after: 1 year
    steps:
      - wait: 2 days
      - tga: warm
"""


def put_file(app: Flask, text: str) -> Path:
    path: Path = app.config["PANEL"].journeys_file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def shown(page: str) -> dict[str, str]:
    """What the publish page sends back, so that nothing else is published than what it showed."""
    found = dict(re.findall(r'name="(own_sha256|text_sha256)" value="([^"]*)"', page))
    assert len(found) == 2, page
    return found
