"""The settings of the plugin, declared for the form and read into one value."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from panel.sdk.i18n import N_
from panel.sdk.settings import SettingField

MAILBOX_PORT = 8425
LOOPBACK = "127.0.0.1"
NOBODY = "panel@nava.localhost"

FIELDS = (
    SettingField(
        "delivery",
        N_("Where mail goes"),
        "choice",
        N_("The development mailbox keeps all mail on this machine and shows it on a page of the panel."),
        default="mailbox",
        choices=(
            ("mailbox", N_("Development mailbox (nothing leaves this machine)")),
            ("smtp", N_("A mail server (SMTP)")),
        ),
    ),
    SettingField(
        "from_name", N_("Sender's name"), help=N_("What contacts see as the sender. Empty: the business's name.")
    ),
    SettingField(
        "from_address", N_("Sender's address"), "email", N_("The address that contacts see and answer."), ltr=True
    ),
    SettingField(
        "reply_to", N_("Answers go to"), "email", N_("Only if answers should go to another address."), ltr=True
    ),
    SettingField(
        "host", N_("Server"), help=N_("For example smtp.example.com"), shown_if=("delivery", "smtp"), ltr=True
    ),
    SettingField(
        "port",
        N_("Port"),
        "number",
        N_("587 with STARTTLS, 465 with TLS."),
        587,
        shown_if=("delivery", "smtp"),
        minimum=1,
        maximum=65535,
    ),
    SettingField(
        "security",
        N_("Encryption"),
        "choice",
        default="starttls",
        shown_if=("delivery", "smtp"),
        choices=(
            ("starttls", "STARTTLS"),
            ("tls", N_("TLS from the start")),
            ("none", N_("None (only on your own network)")),
        ),
    ),
    SettingField("user", N_("User name"), shown_if=("delivery", "smtp"), ltr=True),
    SettingField("password", N_("Password"), "secret", shown_if=("delivery", "smtp")),
    SettingField(
        "certificate",
        N_("Trusted certificate"),
        "long_text",
        N_("Only for a server with a certificate of your own: paste the certificate (PEM) to trust."),
        shown_if=("delivery", "smtp"),
        ltr=True,
    ),
    SettingField(
        "per_minute",
        N_("Mails per minute at most"),
        "number",
        N_("What your provider allows (Microsoft 365: 30). Empty: no limit."),
        shown_if=("delivery", "smtp"),
        minimum=1,
        maximum=60_000,
    ),
    SettingField(
        "return_path",
        N_("Returned mail goes to"),
        "email",
        N_("Where servers return what they cannot deliver. Empty: the sender's address."),
        ltr=True,
    ),
    SettingField(
        "track_opens",
        N_("Notice when a mail is opened"),
        "yes_no",
        N_("Adds an invisible image. Some mail programs load it by themselves; those are told apart."),
        True,
    ),
    SettingField(
        "track_clicks",
        N_("Notice when a link is clicked"),
        "yes_no",
        N_("Links go through this panel's address and on to their target."),
        True,
    ),
    SettingField(
        "dkim_domain",
        N_("DKIM domain"),
        help=N_("Only if this panel itself should sign. Most mail servers sign by themselves."),
        ltr=True,
    ),
    SettingField("dkim_selector", N_("DKIM selector"), ltr=True),
    SettingField("dkim_key", N_("DKIM private key"), "secret", N_("PEM text, RSA with 2048 bits or Ed25519.")),
)


@dataclass(frozen=True)
class Account:
    """How mail leaves this installation."""

    host: str = LOOPBACK
    port: int = MAILBOX_PORT
    security: str = "none"
    user: str = ""
    password: str = ""
    certificate: str = ""
    from_name: str = ""
    from_address: str = NOBODY
    reply_to: str = ""
    return_path: str = ""
    track_opens: bool = True
    track_clicks: bool = True
    dkim_domain: str = ""
    dkim_selector: str = ""
    dkim_key: str = ""
    per_minute: int | None = None
    is_mailbox: bool = True

    @property
    def domain(self) -> str:
        return self.from_address.rpartition("@")[2]

    @property
    def envelope_from(self) -> str:
        return self.return_path or self.from_address

    def __repr__(self) -> str:
        return f"Account({self.host}:{self.port} {self.security})"  # never the password or the key


def mailbox_port() -> int:
    """The port of the development mailbox, as the installation's environment says."""
    value = os.environ.get("PANEL_MAILBOX_PORT", "")
    return int(value) if value.isdigit() else MAILBOX_PORT


def account_from(settings: Mapping[str, Any], company: Mapping[str, str]) -> Account:
    """Read the settings; out of the box mail goes to the development mailbox."""

    def text(name: str) -> str:
        return str(settings.get(name) or "").strip()

    def yes(name: str) -> bool:
        value = settings.get(name, True)
        return value if isinstance(value, bool) else str(value).lower() not in ("no", "false", "0", "")

    common = {
        "from_name": text("from_name") or str(company.get("name") or ""),
        "from_address": text("from_address") or NOBODY,
        "reply_to": text("reply_to"),
        "return_path": text("return_path"),
        "track_opens": yes("track_opens"),
        "track_clicks": yes("track_clicks"),
    }
    if text("dkim_key") and text("dkim_domain") and text("dkim_selector"):
        common |= {name: text(name) for name in ("dkim_domain", "dkim_selector", "dkim_key")}
    if (text("delivery") or "mailbox") == "mailbox":
        return Account(port=mailbox_port(), **common)  # type: ignore[arg-type]
    return Account(
        host=text("host"),
        port=int(settings.get("port") or 587),
        security=text("security") or "starttls",
        user=text("user"),
        password=str(settings.get("password") or ""),
        certificate=text("certificate"),
        per_minute=int(settings.get("per_minute") or 0) or None,
        is_mailbox=False,
        **common,  # type: ignore[arg-type]
    )
