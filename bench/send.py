"""How many personalised HTML mails a second go from "queued" to accepted by a server *and* recorded in the ledger.

Real workers run the real `deliver` against a bare sink (`bench.sink`): claimed, rendered with tracking and unsubscribe
addresses, marked, handed over, result and timeline event stored. The floor is what nearly everybody's Python does for
the same mail, without any ledger: an EmailMessage per contact and smtplib, over one kept connection, as many
processes. The promise is a share of postfix's own load generator (`smtp-source -d -s 10`: one prebuilt mail again and
again over ten connections), which the line tells where that is installed (Debian: package postfix). `more` has the
limit of the sink itself ("blast": prebuilt bytes, nobody waits for an answer), and rendering alone.

BENCH_MAILS (default 20,000), BENCH_WORKERS (default 2; the promise is for two), BENCH_ROUNDS (default 3; the best counts,
of ours as of smtp-source).
"""

from __future__ import annotations

import json
import os
import shutil
import smtplib
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from email.message import EmailMessage
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from bench.advance import analyse
from bench.databases import application, kind_of
from bench.result import Result, peak_mb
from panel import clock
from panel.consent.operations import opt_in_many
from panel.contacts.addresses import Address
from panel.contacts.bulk import Draft, insert_contacts
from panel.db import connection_of, db, reading, table_of, writing
from panel.installation.operations import set_setting
from panel.journeys.engine.deliver import deliver
from panel.journeys.engine.deliver import run as run_channel
from panel.messages.models import Message
from panel.messages.rendering import Rendered, Renderer
from panel.messages.templates import Form, save_template
from panel.plugin_manager import manager
from panel.plugin_manager.operations import save_settings

WARM_UP = 20  # mails each worker sends before the clock starts
HTML = """<style>h1 { color: #123456 } p { margin: 0 0 12px }</style>
<h1>שלום [[first name|חבר]]</h1>
<p>תודה שנרשמת לרשימה של [[our name]]. הנה מה שחדש החודש, בשבילך ובשביל [[full name|כולם]].</p>
<p><a href="https://shop.example/new?month=11&amp;from=mail">לחנות</a> · <a href="https://shop.example/sale">למבצע</a></p>
<p>Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut labore et dolore magna
aliqua. Ut enim ad minim veniam, quis nostrud exercitation ullamco laboris nisi ut aliquip ex ea commodo consequat.</p>
"""


def run(url: str) -> Result:
    mails = int(os.environ.get("BENCH_MAILS") or 20_000)
    workers = int(os.environ.get("BENCH_WORKERS") or 2)
    rounds = int(os.environ.get("BENCH_ROUNDS") or 3)
    with tempfile.TemporaryDirectory(prefix="panel-bench-") as name, _sink() as port:
        folder = Path(name)
        app = application(url, folder)
        with app.app_context():
            _set_up(mails, port)
            analyse()  # what autovacuum does within a minute
            payloads, render_ms = _render_only()
        found = []
        for at in range(rounds):
            with app.app_context():
                if at:
                    _queue(at)
                db.engine.dispose()
            found.append(_deliver_all(url, folder, workers))
            with app.app_context():
                sent = _count("sent")
                db.engine.dispose()
            if sent != mails * (at + 1):
                raise SystemExit(f"{sent} of {mails * (at + 1)} mails were recorded as sent")
        seconds, peak, cpu = (min(one[0] for one in found), max(one[1] for one in found), min(one[2] for one in found))
        floor = _smtplib(port, workers)
        blast = _blast(port, payloads)
        source = _smtp_source(port, len(payloads[0]))
    figure = (mails - WARM_UP * workers) / seconds
    more = {
        "mails": mails, "workers": workers, "bytes": len(payloads[0]), "render_ms": render_ms, "blast_per_s": blast,
        "of_blast": figure / blast, "smtp_source_per_s": source, "of_smtp_source": figure / source if source else None,
        "worker_us_per_mail": cpu / (mails - WARM_UP * workers) * 1e6,
    }  # fmt: skip
    note = f"{more['worker_us_per_mail']:.0f} us of the workers' processor time a mail, "
    if source:
        note += f"{figure / source:.3f} of smtp-source ({source:,.0f} a second)"
    else:
        note += "smtp-source is not installed"
    name = "mails/s (EmailMessage and smtplib)"
    return Result("send", kind_of(url), figure, "mails/s", floor, name, figure / floor, peak, more, note)


@contextmanager
def _sink() -> Iterator[int]:
    with subprocess.Popen([sys.executable, "-m", "bench.sink"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.terminate()


def _set_up(mails: int, port: int) -> None:
    """Contacts who agreed, a template, and a queued marketing message for each."""
    now = clock.now()
    with writing() as session:
        set_setting(session, "company", {"name": "נאווה ספרים", "address": "הרצל 1, תל אביב", "language": "he"})
        plugins = manager.current()
        settings = {
            "delivery": "smtp", "host": "127.0.0.1", "port": port, "security": "none",
            "from_address": "hello@nava.example",
        }  # fmt: skip
        save_settings(session, "email", plugins.settings_fields("email"), settings, plugins.secrets)
        drafts = [
            Draft(f"דנה {n}", "דנה", str(n), language="he", addresses=[Address("email", f"c{n}@example.org", "")])
            for n in range(mails)
        ]
        ids = insert_contacts(session, drafts, now=now)
        opt_in_many(session, {id_: {} for id_ in ids}, "email", how="form", now=now)
        version = save_template(session, "news", [Form("email", "he", "[[first name]], מה חדש?", HTML)], now=now)
        _rows(session, version.current_version_id, ids, 0)
    with reading() as session:
        manager.current().refresh_if_changed(session)


def _queue(at: int) -> None:
    """The same mails once more, for another round."""
    with writing() as session:
        table = table_of(Message)
        version = connection_of(session).execute(select(table.c.template_version_id).limit(1)).scalar_one()
        ids = connection_of(session).execute(select(table.c.contact_id).distinct().order_by(table.c.contact_id))
        _rows(session, version, ids.scalars().all(), at)
    analyse()


def _rows(session: Session, version: int | None, contacts: Sequence[int], at: int) -> None:
    now = clock.now()
    rows: list[dict[str, Any]] = [
        {
            "dedupe_key": f"bench:{at}:{n}", "our_message_id": f"b{at}.{n}@nava.example", "contact_id": id_,
            "channel": "email", "kind": "message", "purpose": "marketing", "template_version_id": version, "rules": {},
            "status": "queued", "detail": {}, "planned_at": now, "not_before": now, "priority": 5, "attempt": 0,
            "is_test": False,
        }
        for n, id_ in enumerate(contacts)
    ]  # fmt: skip
    connection_of(session).execute(insert(table_of(Message)), rows)


def _render_only() -> tuple[list[bytes], float]:
    """Finished mails for the floors, and the milliseconds one takes to render."""
    channels = manager.current().channels()
    with writing() as session:
        rows = session.execute(select(table_of(Message)).limit(1000)).mappings().all()
        renderer = Renderer(session, channels, "https://panel.example", "secret")
        renderer.render(rows[:10])
        started = time.process_time()
        results = renderer.render(rows)
        seconds = time.process_time() - started
        session.rollback()
    return [one.payload for one in results if isinstance(one, Rendered)], seconds / len(rows) * 1000


def _deliver_all(url: str, folder: Path, workers: int) -> tuple[float, float, float]:
    """Seconds until nothing is due, from the moment all workers are ready; the largest worker's memory in MB; and the
    seconds of processor time of all of them."""
    command = [sys.executable, "-m", "bench.send", "--worker", url, str(folder)]
    running = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(workers)
    ]
    for one in running:
        assert one.stdout is not None
        one.stdout.readline()
    started = time.perf_counter()
    for one in running:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.close()
    told = [json.loads(one.stdout.readline()) for one in running if one.stdout is not None]
    seconds = time.perf_counter() - started
    for one in running:
        one.wait()
        if one.stdout is not None:
            one.stdout.close()
    return seconds, max(one["peak_mb"] for one in told), sum(one["cpu"] for one in told)


def worker(url: str, folder: str) -> None:
    """One worker process: deliver until nothing is left."""
    app = application(url, Path(folder))
    with app.app_context():
        with reading() as session:
            manager.current().refresh_if_changed(session)
        deliver("email", WARM_UP)  # connections, compiled statements, catalogues of words: a worker lives for days
        print("ready", flush=True)
        sys.stdin.readline()
        began = time.process_time()
        run_channel(3600, "email")
        while _count("queued") + _count("claimed"):  # the others' locks hide rows for a moment
            run_channel(3600, "email")
        print(json.dumps({"peak_mb": peak_mb(), "cpu": time.process_time() - began}), flush=True)


def _count(status: str) -> int:
    with reading() as session:
        return session.scalar(select(func.count()).select_from(Message).where(Message.status == status)) or 0


def _smtplib(port: int, workers: int) -> float:
    """Mails a second of EmailMessage and smtplib, together over as many processes."""
    each = 400
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        list(pool.map(_smtplib_one, [port] * workers, [2] * workers))  # the processes are there
        started = time.perf_counter()
        list(pool.map(_smtplib_one, [port] * workers, [each] * workers))
        return each * workers / (time.perf_counter() - started)


def _smtplib_one(port: int, count: int) -> None:
    with smtplib.SMTP("127.0.0.1", port) as server:
        for n in range(count):
            mail = EmailMessage()
            mail["Subject"] = f"דנה {n}, מה חדש?"
            mail["From"], mail["To"] = "Nava <hello@nava.example>", f"c{n}@example.org"
            html = HTML.replace("[[first name|חבר]]", f"דנה {n}").replace("https://", f"https://x.example/{n}/")
            mail.set_content(html.replace("<p>", "\n"))
            mail.add_alternative(html, subtype="html")
            server.send_message(mail)


def _blast(port: int, payloads: list[bytes]) -> float:
    """Mails a second when prebuilt bytes are poured into the sink and nobody waits."""
    envelope = b"MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n"
    stream = b"".join(envelope + payload + b".\r\n" for payload in payloads)
    rounds, expected = 5, len(payloads) * 5 * 4
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.recv(100)
        seen = 0
        started = time.perf_counter()
        for _ in range(rounds):
            connection.sendall(stream)
            connection.setblocking(False)
            try:
                while data := connection.recv(1 << 20):
                    seen += data.count(b"\n")
            except BlockingIOError:
                pass
            connection.setblocking(True)
        while seen < expected:
            seen += connection.recv(1 << 20).count(b"\n")
        return len(payloads) * rounds / (time.perf_counter() - started)


def _smtp_source(port: int, size: int) -> float | None:
    """Mails a second of postfix's own load generator, None where it is not installed."""
    program = shutil.which("smtp-source") or shutil.which("smtp-source", path="/usr/sbin")
    if program is None:
        return None
    count, rates = 20_000, []
    command = [program, "-d", "-s", "10", "-m", str(count), "-l", str(size), "-f", "a@b.example", "-t", "c@d.example"]
    for _ in range(3):
        started = time.perf_counter()
        subprocess.run([*command, f"127.0.0.1:{port}"], check=True, capture_output=True)
        rates.append(count / (time.perf_counter() - started))
    return max(rates)


if __name__ == "__main__" and sys.argv[1:2] == ["--worker"]:
    worker(*sys.argv[2:4])
