"""Opens and clicks in words: who it was as far as anybody can tell, why we think so, with which program."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from markupsafe import Markup

from panel import calendars
from panel.calendars import Reader
from panel.i18n import N_, translate
from panel.tracking.agents import agent_of
from panel.web.timeline import words
from panel.web.timeline.facts import OneHit

# The verdicts, as `panel tracking` and the raw hits name them, and as a person reads them.
VERDICTS = {
    "human": N_("probably a person"),
    "proxy": N_("a mail service for its reader; when exactly it was read is uncertain"),
    "machine": N_("a machine, not counted"),
}
REASONS = {
    "image_proxy": N_("the mail service loads all images itself"),
    "apple_privacy": N_("Apple Mail loads every image, whether the mail is read or not"),
    "bare_user_agent": N_("it names no program, as only machines do"),
    "known_machine": N_("a known security scanner or robot"),
    "no_user_agent": N_("it does not say what it is"),
    "head_request": N_("it only asked whether the link works"),
    "prefetch": N_("a program read ahead"),
    "too_soon": N_("less than two seconds after sending: nobody reads so fast"),
    "all_links_at_once": N_("it followed all links at once"),
}
KINDS = {"open": N_("Opened"), "click": N_("Clicked")}


def verdict_words(verdict: str, reason: str, language: str) -> str:
    """ "a machine, not counted: a known security scanner or robot"."""
    known = VERDICTS.get(verdict)
    found = translate(language, known) if known else verdict
    if reason in REASONS:
        return translate(language, N_("%(who)s: %(reason)s"), who=found, reason=translate(language, REASONS[reason]))
    return found


def hit_words(hit: OneHit, links: Mapping[int, str], reader: Reader) -> Markup:
    """One hit: the exact moment, the link, the program, the verdict."""
    parts = [exact_time(hit.at, reader)]
    if hit.link is not None:
        url = links.get(hit.link, "")
        number = calendars.show_number(hit.link + 1, reader)
        parts.append(
            words.left_to_right(url) if url else words.fill(reader.language, N_("link %(number)s"), {"number": number})
        )
    if agent := str(agent_of(hit.agent)):
        parts.append(words.left_to_right(agent))
    parts.append(words.isolated(verdict_words(hit.verdict, hit.reason, reader.language)))
    return Markup(" · ").join(parts)


def exact_time(moment: datetime, reader: Reader) -> Markup:
    """Date and time with seconds and the zone's name beneath the pointer."""
    local = moment.astimezone(reader.zone)
    shown = (
        calendars.show_day(local.date(), reader)
        + ("، " if reader.language == "fa" else ", ")
        + calendars.in_digits(f"{local:%H:%M:%S}", reader)
    )
    return Markup('<time datetime="{}" title="{}"><bdi>{}</bdi></time>').format(
        local.isoformat(timespec="seconds"), f"{local:%Y-%m-%d %H:%M:%S %z} {reader.time_zone}", shown
    )
