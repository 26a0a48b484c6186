"""Who opened, who clicked: people, proxies, machines. Every machine pattern has a human twin beside it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from panel.tracking.rules import Click, Hit, Verdict, counts_as_open, is_burst, judge

CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
)
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148"
OUTLOOK = (
    "Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 10.0; Win64; x64; Trident/7.0; Microsoft Outlook 16.0; ms-office)"
)
THUNDERBIRD = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Thunderbird/128.4.0"
CUBOT = "Mozilla/5.0 (Linux; Android 13; CUBOT NOTE 30) AppleWebKit/537.36 Chrome/141.0 Mobile Safari/537.36"
INSTAGRAM = IPHONE + " Instagram 350.0.0"
GMAIL = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
YAHOO = "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html"
LONG = timedelta(minutes=20)


@pytest.mark.parametrize("agent", [CHROME, IPHONE, OUTLOOK, THUNDERBIRD, CUBOT, INSTAGRAM])
@pytest.mark.parametrize("kind", ["open", "click"])
def test_a_person_is_never_demoted(kind, agent):
    assert judge(kind, Hit(user_agent=agent), LONG).verdict == Verdict.HUMAN
    assert judge(kind, Hit(user_agent=agent), timedelta(seconds=2)).verdict == Verdict.HUMAN
    assert judge(kind, Hit(user_agent=agent), None).verdict == Verdict.HUMAN


@pytest.mark.parametrize("agent", [GMAIL, YAHOO])
def test_the_image_proxy_of_a_mail_provider_is_an_open_at_an_uncertain_time(agent):
    verdict = judge("open", Hit(user_agent=agent), LONG).verdict
    assert verdict == Verdict.PROXY
    assert counts_as_open(verdict)
    assert judge("click", Hit(user_agent=agent), LONG).verdict == Verdict.MACHINE


def test_what_apple_loads_by_itself_never_counts_as_read():
    judged = judge("open", Hit(user_agent="Mozilla/5.0"), LONG)
    assert (judged.verdict, judged.reason) == (Verdict.MACHINE, "apple_privacy")
    assert not counts_as_open(judged.verdict)


@pytest.mark.parametrize(
    ("hit", "reason"),
    [
        (Hit(user_agent="Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"), "known_machine"),
        (Hit(user_agent="Mozilla/5.0 (compatible; bingbot/2.0)"), "known_machine"),
        (Hit(user_agent="Barracuda Sentinel (EE)"), "known_machine"),
        (Hit(user_agent="Mozilla/5.0 (X11) HeadlessChrome/120"), "known_machine"),
        (Hit(user_agent="python-requests/2.32"), "known_machine"),
        (Hit(user_agent="curl/8.5"), "known_machine"),
        (Hit(user_agent="Go-http-client/1.1"), "known_machine"),
        (Hit(user_agent="WhatsApp/2.23.20.0"), "known_machine"),
        (Hit(user_agent=""), "no_user_agent"),
        (Hit(method="HEAD", user_agent=CHROME), "head_request"),
        (Hit(user_agent=CHROME, is_prefetch=True), "prefetch"),
    ],
)
@pytest.mark.parametrize("kind", ["open", "click"])
def test_machines_are_known_with_the_reason(kind, hit, reason):
    judged = judge(kind, hit, LONG)
    assert (judged.verdict, judged.reason) == (Verdict.MACHINE, reason)


def test_nobody_reads_within_two_seconds_of_the_server_taking_the_mail():
    assert judge("open", Hit(user_agent=CHROME), timedelta(seconds=1.9)).reason == "too_soon"


START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def clicks(*given: tuple[int, float] | tuple[int, float, str]) -> list[Click]:
    return [Click(one[0], START + timedelta(seconds=one[1]), one[2] if len(one) > 2 else "home") for one in given]


@pytest.mark.parametrize(
    ("given", "links", "burst"),
    [
        (clicks((0, 0), (1, 0.1), (2, 0.2)), 3, True),
        (clicks((2, 0), (0, 2), (1, 4.9)), 3, True),
        (clicks((0, 0), (1, 0.4)), 2, True),
        (clicks((0, 0), (1, 0.1), (2, 0.2), (0, 300)), 3, False),  # a person comes later: judged by itself
        (clicks((0, 0), (1, 3)), 2, False),  # a person's two quick clicks
        (clicks((0, 0), (0, 0.2), (0, 0.4)), 3, False),  # a nervous double click
        (clicks((0, 0), (1, 2)), 3, False),  # two of three
        (clicks((0, 0), (1, 30), (2, 60)), 3, False),  # a thorough reader
        (clicks((0, 0, "a"), (1, 0.1, "b"), (2, 0.2, "c")), 3, False),  # three people of one forwarded mail
        (clicks((0, 0)), 1, False),
    ],
)
def test_all_links_at_once_from_one_address_is_a_scanner_and_less_is_not(given, links, burst):
    assert is_burst(given, links) is burst
