"""The processor's end of the link to the intake."""

import fcntl
import resource
import socket

import pytest

from gateway.link import Link

BEYOND_SELECT = 1024 + 500


def test_a_link_whose_number_is_beyond_1024_works_as_any_other() -> None:
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] <= BEYOND_SELECT:
        pytest.skip("this shell allows fewer open files than a listener with 1,000 devices needs")
    ours, low = socket.socketpair()
    # as when the processor is started again while thousands of devices are connected
    high = socket.socket(fileno=fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, BEYOND_SELECT))
    low.close()
    with ours, high:
        link = Link(high)
        assert list(link.poll(0)) == []
        ours.sendall(b'{"durable": 7}\n{"stop"')
        assert list(link.poll(1)) == [{"durable": 7}]
        ours.sendall(b": true}\n")
        assert list(link.poll(1)) == [{"stop": True}]
        link.send({"keep": 8})
        assert ours.recv(100) == b'{"keep": 8}\n'
        ours.close()
        assert list(link.poll(1)) == []
        assert not link.is_open
