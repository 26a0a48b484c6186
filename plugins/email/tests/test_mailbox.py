"""The development mailbox: a real server on loopback, what it keeps, and the page that shows it."""

from __future__ import annotations

import os
import re
import signal
import smtplib
import subprocess
import sys
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from panel.sdk.channels import Outgoing, Sent
from panel.sdk.web import Request
from plugins.email import mailbox_page
from plugins.email.account import Account
from plugins.email.mailbox_store import Store
from plugins.email.smtp import Client
from plugins.email.tests.conftest import content, fill


@pytest.fixture
def mailbox(context) -> Iterator[tuple[Store, int]]:
    """The real program on a free port."""
    folder = context.folder / "mailbox"
    with subprocess.Popen(
        [sys.executable, "-m", "plugins.email.mailbox_server", "--folder", str(folder), "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        yield Store(folder), int(line.strip().rpartition(":")[2])
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def request(**query: str) -> Request:
    return Request("GET", "/plugins/email/mailbox", query, {}, b"", {}, query.pop("language", "en"))


def test_a_pipelined_batch_is_kept_byte_for_byte(mailbox, channel, wire):
    store, port = mailbox
    payload = fill(channel, channel.compile(content("<p>שלום</p>", subject="שלום לך", language="he")))
    big = payload + b"x" * 60 + b"\r\n" + b".\r\n..\r\n" * 20_000
    batch = [Outgoing(n, f"m{n}", f"c{n}@example.org", big if n == 2 else payload) for n in range(1, 6)]
    client = Client(Account(port=port))
    assert [type(one) for one in client.send(batch, wire)] == [Sent] * 5
    client.close()
    kept = [store.get(mail.id) for mail in reversed(store.find())]
    assert [one[1] for one in kept if one] == [one.payload for one in batch]
    assert kept[0][0].subject == "שלום לך"
    assert kept[0][0].recipients == "c1@example.org"


def test_an_ordinary_mail_program_can_use_it_too(mailbox):
    store, port = mailbox
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = "سلام", "a@b.test", "علی <ali@example.org>"
    mail.set_content("متن نامه")
    with smtplib.SMTP("127.0.0.1", port) as server:
        server.send_message(mail)
    assert [one.subject for one in store.find("متن")] == ["سلام"]
    assert [one.subject for one in store.find("ali@example")] == ["سلام"]
    assert store.find("somebody") == []


def test_it_listens_on_loopback_only(mailbox):
    import socket

    _, port = mailbox
    own = socket.gethostbyname(socket.gethostname())
    if own.startswith("127."):
        own = "127.0.0.2"  # another loopback address: not the one it listens on
    with socket.socket() as other:
        other.settimeout(2)
        assert other.connect_ex((own, port)) != 0


def test_a_port_in_use_is_said_in_one_line(mailbox, tmp_path):
    _, port = mailbox
    done = subprocess.run(
        [sys.executable, "-m", "plugins.email.mailbox_server", "--folder", str(tmp_path), "--port", str(port)],
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    assert done.returncode == 1
    assert done.stderr.strip().splitlines() == [
        f"development mailbox: port {port} cannot be opened: Address already in use"
    ]


def test_only_the_newest_are_kept(tmp_path):
    store = Store(tmp_path, kept=3)
    for n in range(5):
        store.add("a@b", [f"c{n}@d"], b"Subject: %d\r\n\r\n" % n)
    assert [mail.subject for mail in store.find()] == ["4", "3", "2"]
    assert len(list(tmp_path.glob("*.eml"))) == 3


@pytest.mark.parametrize(
    "raw", [b"", b"\x00\xff\xfe", b"Subject: =?x-none?b?zzz?=\r\n\r\n\xd7", b"Content-Type: multipart/mixed\r\n\r\n"]
)
def test_a_broken_mail_is_kept_and_shown_like_any_other(context, raw):
    store = mailbox_page.store_of(context)
    mail_id = store.add("a@b", ["c@d"], raw)
    assert store.get(mail_id)[1] == raw
    for tab in ("mail", "text", "headers", "source"):
        assert mailbox_page.render(context, request(mail=str(mail_id), tab=tab))


def test_the_page_escapes_what_mails_contain_and_frames_the_rest(context):
    store = mailbox_page.store_of(context)
    mail_id = store.add(
        "<script>@b", ["<img src=x>@d"],
        b"Subject: <script>alert(1)</script>\r\nX: <b>\r\nContent-Type: text/html\r\n\r\n<script>x</script><p>hi",
    )  # fmt: skip
    for query in ({}, {"q": "<script>"}, {"mail": str(mail_id)}, {"mail": str(mail_id), "tab": "headers"},
                  {"mail": str(mail_id), "tab": "source"}, {"mail": str(mail_id), "tab": "text"}):  # fmt: skip
        page = mailbox_page.render(context, request(**query))
        assert "<script" not in page
        assert "<img" not in page


def test_the_frame_serves_a_mail_only_for_our_token_and_without_scripts(context):
    store = mailbox_page.store_of(context)
    mail_id = store.add("a@b", ["c@d"], b"Content-Type: text/html\r\n\r\n<p>hi")
    page = mailbox_page.render(context, request(mail=str(mail_id)))
    token = re.search(r'src="/hooks/email/mail\?t=([^"]+)"', page)[1]
    answer = mailbox_page.serve_mail(context, request(t=token))
    assert answer.status == 200
    assert answer.body == '<!DOCTYPE html><base target="_blank"><p>hi'
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "allow-scripts" not in policy
    for bad in ("", "x", f"other-{mail_id}", "mailbox-99", "mailbox-x"):
        assert mailbox_page.serve_mail(context, request(t=bad)).status == 404


@pytest.mark.parametrize(("language", "words"), [("en", "No mail yet"), ("he", "אין עדיין"), ("fa", "هنوز")])
def test_an_empty_mailbox_says_so_in_the_readers_language(context, language, words):
    from panel.i18n import add_catalogue_folder

    add_catalogue_folder(Path(__file__).parents[1] / "translations")
    assert words in mailbox_page.render(context, request(language=language))


def test_the_mailbox_can_be_emptied(context):
    store = mailbox_page.store_of(context)
    store.add("a@b", ["c@d"], b"x")
    said = mailbox_page.post(context, Request("POST", "", {}, {}, b"", {"action": "clear"}))
    assert "1" in said
    assert store.find() == []
