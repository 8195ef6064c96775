# SPDX-License-Identifier: Apache-2.0
"""The host protocol from the other side: what src/host/host-protocol.h says, in Python.

    with Host(BINARY) as host:
        record = host.result(host.ask("index", files=[data]))["record"]
"""
import json
import os
import select
import signal
import socket
import struct

FRAME_MAX = 1024 * 1024
FDS_MAX = 64


class HostGone(Exception):
    """The host closed its end."""


class HostError(Exception):
    """The host answered with an error."""

    def __init__(self, answer):
        super().__init__(f"{answer['code']}: {answer['message']}")
        self.code, self.message = answer["code"], answer["message"]


def memory_file(data):
    """A sealed memory descriptor with these bytes."""
    import fcntl

    fd = os.memfd_create("test", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(fd, data) if len(data) < 1 << 20 else os.pwrite(fd, data, 0)
    fcntl.fcntl(fd, 1033, 0x1 | 0x2 | 0x4 | 0x8)  # F_ADD_SEALS: seal, shrink, grow, write
    return fd


def read_all(fd):
    """The bytes of a descriptor, which is closed."""
    with os.fdopen(fd, "rb") as file:
        file.seek(0)
        return file.read()


class Connection:
    """Frames over a socket."""

    def __init__(self, sock, timeout=60.0):
        self.socket = sock
        self.socket.settimeout(timeout)

    def send(self, message, fds=()):
        if fds:
            message = {**message, "fds": len(fds)}
        text = json.dumps(message, separators=(",", ":")).encode()
        data = struct.pack(">I", len(text)) + text
        sent = socket.send_fds(self.socket, [data], list(fds)) if fds else self.socket.send(data)
        self.socket.sendall(data[sent:])

    def _read(self, size, fds):
        data = b""
        while len(data) < size:
            piece, more, _flags, _address = socket.recv_fds(self.socket, size - len(data), FDS_MAX)
            fds.extend(more)
            if not piece:
                raise HostGone()
            data += piece
        return data

    def receive(self):
        """The next frame: (message, [descriptor]); the message of a result has its annex."""
        fds = []
        try:
            (size,) = struct.unpack(">I", self._read(4, fds))
            assert 0 < size <= FRAME_MAX
            text, _nul, annex = self._read(size, fds).partition(b"\0")
            message = json.loads(text)
            if annex:
                assert message["answer"] == "result"
                message["annex"] = json.loads(annex)
            assert message.get("fds", 0) == len(fds)
            return message, fds
        except BaseException:
            for fd in fds:
                os.close(fd)
            raise


def spawn(binary, child_end):
    """Start `binary host` with the socket on descriptor 3; its pid."""
    return os.posix_spawn(binary, [str(binary), "host"], {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
                          file_actions=[(os.POSIX_SPAWN_DUP2, child_end, 3)])


class Host:
    """One host process, greeted unless told otherwise."""

    def __init__(self, binary, greet=True, sandbox="best-effort", memory_max=2 << 30):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs:
            self.pid = spawn(binary, theirs.fileno())
        self.pidfd = os.pidfd_open(self.pid)
        self.connection = Connection(ours)
        self.next_id = 1
        self.status = None
        if greet:
            self.hello = self.result(self.ask("hello", protocol=1, sandbox=sandbox, memory_max=memory_max,
                                              nofile_max=4160))

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.close()

    def ask(self, op, files=(), inputs=None, **members):
        """Send a request, files as bytes; its id."""
        number, self.next_id = self.next_id, self.next_id + 1
        request = {"op": op, "id": number, **members}
        fds = [memory_file(data) for data in files]
        try:
            if inputs is None and len(fds) <= FDS_MAX:
                self.connection.send(request, fds)
                return number
            for at in range(0, len(fds), FDS_MAX):
                some = {"inputs": inputs[at:at + FDS_MAX]} if inputs is not None else {}
                self.connection.send({"op": "input", "id": number, **some}, fds[at:at + FDS_MAX])
            self.connection.send(request)
            return number
        finally:
            for fd in fds:
                os.close(fd)

    def answers(self, number):
        """Each answer of a request: (message, bytes or None); ends with the result, or raises."""
        while True:
            message, fds = self.connection.receive()
            data = read_all(fds[0]) if fds else None
            assert message["id"] == number and len(fds) <= 1
            if message["answer"] == "error":
                raise HostError(message)
            yield message, data
            if message["answer"] == "result":
                return

    def result(self, number):
        """The result of a request, everything before it thrown away."""
        return list(self.answers(number))[-1][0]

    def cancel(self, number):
        self.connection.send({"op": "cancel", "id": number})

    def peak_bytes(self):
        """The most memory that it has had (VmHWM)."""
        with open(f"/proc/{self.pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:"))

    def wait(self, timeout=30.0):
        """Wait for its end: exit status, or minus the signal."""
        if self.status is None:
            ready, _, _ = select.select([self.pidfd], [], [], timeout)
            assert ready, "the host did not end"
            self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.status

    def close(self):
        """End of file ends it; a host that hangs is killed."""
        self.connection.socket.close()
        try:
            self.wait(5.0)
        except AssertionError:
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
            self.wait()
        finally:
            os.close(self.pidfd)
