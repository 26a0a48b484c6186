"""Which device and which program a hit names, roughly: enough to say "Gmail's image service" or "Chrome on Windows"."""

from __future__ import annotations

import re
from dataclasses import dataclass

# The first that fits wins: the narrower before the wider ones (every browser says "Mozilla", Edge says "Chrome" too).
_PROGRAMS = (
    (r"GoogleImageProxy|ggpht\.com", "Gmail (images)"),
    (r"YahooMailProxy|YahooMailImageProxy|Yahoo Ad monitoring", "Yahoo Mail (images)"),
    (r"Mozilla/5\.0\s*\Z", "Apple Mail (privacy)"),
    (r"ms-office|Microsoft Outlook|MSOffice", "Outlook"),
    (r"Outlook-iOS|Outlook-Android", "Outlook Mobile"),
    (r"Thunderbird/(\d+)", "Thunderbird"),
    (r"Barracuda", "Barracuda"),
    (r"Mimecast", "Mimecast"),
    (r"Proofpoint|urldefense", "Proofpoint"),
    (r"Googlebot", "Googlebot"),
    (r"bingbot|BingPreview", "Bing"),
    (r"WhatsApp/", "WhatsApp"),
    (r"TelegramBot", "Telegram"),
    (r"Instagram", "Instagram"),
    (r"FBAN|FBAV|facebookexternalhit", "Facebook"),
    (r"python", "Python"),
    (r"curl/", "curl"),
    (r"Go-http-client", "Go"),
    (r"HeadlessChrome", "Headless Chrome"),
    (r"SamsungBrowser/(\d+)", "Samsung Internet"),
    (r"Edg(?:e|A|iOS)?/(\d+)", "Edge"),
    (r"OPR/(\d+)", "Opera"),
    (r"(?:Chrome|CriOS)/(\d+)", "Chrome"),
    (r"(?:Firefox|FxiOS)/(\d+)", "Firefox"),
    (r"Version/(\d+)[\d.]* (?:Mobile/\S+ )?Safari", "Safari"),
    (r"AppleWebKit", "Apple Mail"),
)
_SYSTEMS = (
    (r"iPhone", "iPhone"),
    (r"iPad", "iPad"),
    (r"Android", "Android"),
    (r"Windows", "Windows"),
    (r"Macintosh|Mac OS X", "Mac"),
    (r"CrOS", "ChromeOS"),
    (r"Linux|X11", "Linux"),
)
_HIDES_ITS_READER = frozenset({"Gmail (images)", "Yahoo Mail (images)", "Apple Mail (privacy)"})


@dataclass(frozen=True)
class Agent:
    """`program` and `system` are names of products, the same in every language; empty where nothing is known."""

    program: str = ""
    system: str = ""

    def __str__(self) -> str:
        return " · ".join(filter(None, (self.program, self.system)))


def agent_of(user_agent: str) -> Agent:
    """Read a User-Agent header. A proxy's says nothing about the device behind it."""
    text = user_agent.strip()
    program = next((name for pattern, name in _PROGRAMS if re.search(pattern, text, re.IGNORECASE)), "")
    if program in _HIDES_ITS_READER:
        return Agent(program)
    return Agent(program, next((name for pattern, name in _SYSTEMS if re.search(pattern, text)), ""))
