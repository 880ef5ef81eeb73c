#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""examples/udp_echo against nc -u, and an empty datagram against Python's sockets.

usage: udp_echo_test.py PROGRAM [TEST...]
"""

import signal
import socket
import sys

import running_programs


class UdpEcho(running_programs.ProgramTest):
    def test_nc_gets_back_what_it_sends(self):
        server, port = self.serve()
        first = self.start("nc", "-u", "127.0.0.1", port)
        second = self.start("nc", "-u", "127.0.0.1", port)
        first.send("hello\n")
        first.out.wait_for("^hello$")
        second.send("there\n")
        second.out.wait_for("^there$")
        first.send("again\n")
        first.out.wait_for("^again$")
        self.assertEqual("hello\nagain\n", first.out.text)
        self.assertEqual(0, server.stop(signal.SIGINT))
        self.assertIn("3 datagrams, 18 bytes", server.err.wait_for_end())

    def test_an_empty_datagram_comes_back_and_ends_nothing(self):
        server, port = self.serve()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(running_programs.PATIENCE)
            client.connect(("127.0.0.1", port))
            for sent in (b"", b"\0" * 1024, b"x" * 60_000, b""):
                client.send(sent)
                self.assertEqual(sent, client.recv(65536))
        # Somebody who has gone before the echo comes is no trouble.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
            gone.sendto(b"bye", ("127.0.0.1", port))
        after = self.start("nc", "-u", "127.0.0.1", port)
        after.send("still here\n")
        after.out.wait_for("^still here$")
        self.assertEqual(0, server.stop())
        self.assertIn("6 datagrams", server.err.wait_for_end())

    def test_what_keeps_it_from_running_is_told(self):
        _, port = self.serve()
        told = self.run_to_end(self.program, "--port", port, code=1).stderr
        self.assertIn(str(port), told)
        self.check_command_line()


if __name__ == "__main__":
    running_programs.main(sys.argv)
