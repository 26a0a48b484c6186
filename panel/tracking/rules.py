"""Who loaded a pixel or followed a link: a person, a mail provider's proxy, or a machine that looks at all mail.

Nothing is ever dropped: the hit is stored as it came, and this verdict beside it, with its reason. A person is never
demoted on one sign alone that a person could give as well (a quick open, a click right after the open).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

Kind = Literal["open", "click"]

# Raised whenever a verdict may come out differently; stored with each, so that `panel tracking reclassify` can tell.
RULES = 2


class Verdict(StrEnum):
    """`proxy` is an image proxy of a mail provider: the mail was opened, when exactly is uncertain."""

    HUMAN = "human"
    PROXY = "proxy"
    MACHINE = "machine"


@dataclass(frozen=True)
class Judgement:
    verdict: Verdict
    reason: str = ""


@dataclass(frozen=True)
class Hit:
    """What the request says. `network` stands for the address it came from, without being it."""

    method: str = "GET"
    user_agent: str = ""
    network: str = ""
    is_prefetch: bool = False


@dataclass(frozen=True)
class Click:
    """A click that is stored already, for judging several together."""

    link: int
    at: datetime
    network: str


@dataclass(frozen=True)
class Past:
    """A hit that is stored already, with all that its judgement needs. `link` is None for an open."""

    kind: Kind
    at: datetime
    hit: Hit
    link: int | None = None


# Faster than this after the server took the mail, nobody has read it.
TOO_SOON = timedelta(seconds=2)
# All links of a mail within this time from one address: a scanner. Two links can be two quick clicks of a person.
BURST = timedelta(seconds=5)
BURST_OF_TWO = timedelta(seconds=1)

_PROXIES = re.compile(
    r"GoogleImageProxy|ggpht\.com|YahooMailProxy|YahooMailImageProxy|Yahoo Ad monitoring", re.IGNORECASE
)
_MACHINES = re.compile(
    r"(?<!cu)bot\b|(?<!cu)bot[/;)_-]|crawl|spider|slurp|scan(?:ner|ning)|headless|phantomjs|selenium|playwright|puppeteer"
    r"|barracuda|mimecast|proofpoint|urldefense|trendmicro|symantec|messagelabs|fireeye|sophos|ironport|forcepoint|vade"
    r"|avanan|bitdefender|kaspersky|checkpoint|zscaler|safelinks|bingpreview|preview|prefetch|link.?check|validator"
    r"|python|curl/|wget|libwww|go-http-client|okhttp|java/|apache-httpclient|guzzle|axios|node-fetch|undici|ruby"
    r"|facebookexternalhit|whatsapp/|telegrambot|skypeuripreview|embedly|iframely|existence discovery|monitor(?:ing)?\b"
    r"|nutch|lighthouse|pagespeed|urlscan|virustotal|netcraft|censys|zgrab|nmap|masscan",
    re.IGNORECASE,
)
_BARE = re.compile(r"Mozilla/5\.0\s*\Z")


def judge(kind: Kind, hit: Hit, since_sent: timedelta | None) -> Judgement:
    """The verdict on one hit by itself. `since_sent` is the time since the server took the mail, None if unknown."""
    agent = hit.user_agent.strip()
    if hit.method != "GET":
        return Judgement(Verdict.MACHINE, "head_request")
    if hit.is_prefetch:
        return Judgement(Verdict.MACHINE, "prefetch")
    if _PROXIES.search(agent):
        # A proxy fetches images for a reader; it never follows a link for one.
        return Judgement(Verdict.PROXY if kind == "open" else Verdict.MACHINE, "image_proxy")
    if not agent:
        return Judgement(Verdict.MACHINE, "no_user_agent")
    if _BARE.match(agent):
        # Apple Mail's privacy protection loads every image of every mail under this bare name, read or not.
        return Judgement(Verdict.MACHINE, "apple_privacy" if kind == "open" else "bare_user_agent")
    if _MACHINES.search(agent):
        return Judgement(Verdict.MACHINE, "known_machine")
    if since_sent is not None and since_sent < TOO_SOON:
        return Judgement(Verdict.MACHINE, "too_soon")
    return Judgement(Verdict.HUMAN)


def is_burst(clicks: Sequence[Click], links: int) -> bool:
    """Whether these clicks on one message, the newest last, are one scanner following all its links.

    Counts only clicks from the newest one's network. `links` is how many the message has; a mail with one link cannot
    tell a scanner from a person this way.
    """
    if links < 2 or not clicks:
        return False
    last = clicks[-1]
    window = burst_window(links)
    seen = {one.link for one in clicks if one.network == last.network and last.at - one.at <= window}
    return len(seen) >= links


def judge_all(past: Sequence[Past], links: int, sent_at: datetime | None) -> list[Judgement]:
    """The verdicts on all hits of one message, oldest first, each seen together with the others.

    A click that looks like a person's is a scanner's when it belongs to a burst: whichever click completes the burst,
    those before it in the window are judged with it. `links` is how many the message has, `sent_at` when it left.
    """
    judged = [judge(one.kind, one.hit, None if sent_at is None else one.at - sent_at) for one in past]
    window = burst_window(links)
    clicks: list[tuple[int, Click]] = []
    for place, one in enumerate(past):
        if one.kind != "click" or one.link is None:
            continue
        clicks = [(n, earlier) for n, earlier in clicks if one.at - earlier.at <= window]
        clicks.append((place, Click(one.link, one.at, one.hit.network)))
        if is_burst([click for _, click in clicks], links):
            for n, click in clicks:
                if click.network == one.hit.network and judged[n].verdict == Verdict.HUMAN:
                    judged[n] = Judgement(Verdict.MACHINE, "all_links_at_once")
    return judged


def burst_window(links: int) -> timedelta:
    """How close together clicks on all `links` links must be to be one scanner's."""
    return BURST if links > 2 else BURST_OF_TWO


def event_kind(kind: Kind, verdict: Verdict) -> str:
    """Under which kind a hit stands on the timeline. A machine's is never an open or a click: it can start nothing."""
    if verdict == Verdict.MACHINE:
        return "machine_opened" if kind == "open" else "machine_clicked"
    return "message_opened" if kind == "open" else "link_clicked"


def counts_as_open(verdict: Verdict) -> bool:
    """Whether the message may say "opened". What Apple's proxy loads may never have been read."""
    return verdict != Verdict.MACHINE
