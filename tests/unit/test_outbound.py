"""Requests of our own end at their deadline, whatever the partner does."""

import socket
import threading
import time
from contextlib import suppress

import pytest

from entrepot import outbound
from entrepot.outbound import PartnerFailed, fetch_json


async def test_a_partner_that_drips_keeps_no_thread_beyond_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbound, "_SECONDS", -0.7)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                connection.sendall(b"HTTP/1.1 200 OK\r\n")
                while True:
                    connection.sendall(b"x")
                    time.sleep(0.01)

        dripping = threading.Thread(target=drip)
        dripping.start()
        with pytest.raises(PartnerFailed):
            await fetch_json(f"http://127.0.0.1:{listener.getsockname()[1]}/")
        dripping.join(10)
        assert not dripping.is_alive()
