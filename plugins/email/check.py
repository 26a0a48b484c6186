"""The "Test connection" button: the way of a mail, step by step, without sending one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from panel.sdk.errors import Misconfigured, TryLater
from panel.sdk.i18n import N_
from panel.sdk.settings import CheckStep
from plugins.email import dkim
from plugins.email.account import NOBODY, Account, account_from
from plugins.email.headers import encode_address
from plugins.email.replies import refused
from plugins.email.wires import BrokenError, Connection, Timeouts

NAMES = {
    "connect": N_("Reach the server"),
    "tls": N_("Encrypt the connection"),
    "greeting": N_("The server answers"),
    "sign_in": N_("Sign in"),
}
FIXES = {
    "connect": N_("Check the server's name and port, and whether a firewall is in between."),
    "tls": N_("Check the encryption setting: port 465 usually wants TLS, port 587 STARTTLS."),
    "greeting": N_("Something answers there, but not a mail server. Check the port and the encryption."),
    "sign_in": N_("Check the user name and the password. Some services want an app password."),
}
QUICK = Timeouts(connect=10, greeting=15, command=15, body=15, body_end=15)


def check_account(settings: Mapping[str, Any], company: Mapping[str, str]) -> list[CheckStep]:
    """Try these settings: sender, connection, encryption, sign-in, sender accepted, DKIM key."""
    account = account_from(settings, company)
    steps = [_sender(account)]
    if account.is_mailbox:
        steps.append(
            CheckStep(
                N_("Development mailbox"),
                True,
                N_("Mail is kept on this machine and shown on the mailbox page. No contact receives it."),
            )
        )
    steps += _connection(account)
    if account.dkim_key:
        steps.append(_dkim(account))
    return steps


def _sender(account: Account) -> CheckStep:
    name = N_("Sender's address")
    try:
        encode_address(account.from_address)
    except ValueError:
        return CheckStep(
            name,
            False,
            N_("%(address)s is not an email address."),
            N_("Correct the sender's address."),
            {"address": account.from_address},
        )
    if account.from_address == NOBODY and not account.is_mailbox:
        return CheckStep(
            name,
            False,
            N_("No sender's address is set."),
            N_("Enter the address that contacts should see, at a domain of your own."),
        )
    return CheckStep(name, True, "%(address)s", "", {"address": account.from_address})


def _connection(account: Account) -> list[CheckStep]:
    steps: list[CheckStep] = []
    reached: list[str] = []

    def done() -> None:
        if reached:
            steps.append(CheckStep(NAMES[reached[-1]], True))

    def told(step: str) -> None:
        done()
        reached.append(step)

    try:
        connection = Connection(account, QUICK, told)
    except (TryLater, Misconfigured) as error:
        at = reached[-1] if reached else "connect"
        detail = error.reason if isinstance(error, TryLater) else error.detail
        fix = N_("Start the panel with all its services.") if account.is_mailbox else FIXES[at]
        return [*steps, CheckStep(NAMES[at], False, "%(words)s", fix, {"words": detail})]
    done()
    try:
        steps.append(_accepted(connection, account))
    except BrokenError as error:
        steps.append(CheckStep(N_("Sender accepted"), False, "%(words)s", "", {"words": str(error)}))
    finally:
        connection.close(politely=True)
    return steps


def _accepted(connection: Connection, account: Account) -> CheckStep:
    reply = connection.command(f"MAIL FROM:<{account.envelope_from}>")
    if 200 <= reply.code < 300:
        connection.command("RSET")
        return CheckStep(N_("Sender accepted"), True, "%(words)s", "", {"words": reply.words})
    meaning = refused(reply, "mail")
    fix = (
        N_("The server does not let this address send. Use an address that belongs to the account you signed in with.")
        if isinstance(meaning, Misconfigured)
        else ""
    )
    return CheckStep(N_("Sender accepted"), False, "%(words)s", fix, {"words": reply.words})


def _dkim(account: Account) -> CheckStep:
    try:
        dkim.Signer(account.dkim_domain, account.dkim_selector, account.dkim_key)
    except Misconfigured as error:
        return CheckStep(N_("DKIM key"), False, error.detail, N_("Paste the whole private key, with its first line."))
    return CheckStep(
        N_("DKIM key"),
        True,
        N_("The public key must stand in DNS under %(name)s."),
        "",
        {"name": f"{account.dkim_selector}._domainkey.{account.dkim_domain}"},
    )
