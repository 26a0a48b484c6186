"""Requests and answers as plain data, so that a plugin can offer web addresses without knowing the web framework."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Request:
    """What came in. `body` is raw (at most 10 MB), `form` the parsed fields when it was a form."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    form: Mapping[str, str]
    language: str = "en"


@dataclass(frozen=True)
class Response:
    body: bytes | str = b""
    status: int = 200  # 100 to 599
    content_type: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Webhook:
    """A public address, `/hooks/<plugin>/<name>`, without login. The handler must prove who is calling."""

    name: str
    handle: Callable[[Request], Response]
    methods: tuple[str, ...] = ("POST",)


@dataclass(frozen=True)
class PluginPage:
    """A page inside the panel, `/plugins/<plugin>/<name>`. `render` returns an HTML fragment that the panel frames.

    The fragment may contain forms (method post, no action): the panel adds the CSRF token and hands the post to `post`,
    whose answer is a message for the user. `action` is the right a user needs.
    """

    name: str
    label: str
    render: Callable[[Request], str]
    post: Callable[[Request], str] | None = None
    icon: str = "plug"
    action: str = "plugins.use"


@dataclass(frozen=True)
class Service:
    """A process the supervisor runs beside the workers while the plugin is enabled: `python -m <module> <args>`."""

    name: str
    module: str
    args: tuple[str, ...] = ()
