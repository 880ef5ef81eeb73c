#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""examples/https_server against curl and openssl s_client.

usage: https_server_test.py PROGRAM [TEST...]
"""

import pathlib
import re
import signal
import sys
import tempfile

import running_programs

MAKE_CERTIFICATE = pathlib.Path(__file__).parents[2] / "examples/https_server/make_certificate.sh"


class HttpsServer(running_programs.ProgramTest):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.certificate = pathlib.Path(folder.name) / "certificate.pem"
        self.key = pathlib.Path(folder.name) / "key.pem"
        self.run_to_end(MAKE_CERTIFICATE, self.certificate, self.key)

    def serve_securely(self, *options):
        return self.serve("--certificate", self.certificate, "--key", self.key, *options)

    def curl(self, *arguments, code=0):
        return self.run_to_end("curl", "--silent", "--show-error", "--max-time", 20, "--noproxy",
                               "*", "--cacert", self.certificate, *arguments, code=code).stdout

    def connect(self, port, *options):
        """openssl's client, which sends what it is told as it is."""
        client = self.start("openssl", "s_client", "-quiet", "-verify_return_error", "-CAfile",
                            self.certificate, "-connect", f"127.0.0.1:{port}", *options)
        client.err.wait_for(r"^verify return:1$")
        return client

    def test_curl_verifies_the_certificate_and_gets_the_pages(self):
        server, port = self.serve_securely()
        self.assertIn("Hello over TLS", self.curl(f"https://localhost:{port}/"))
        self.assertEqual('{"it_works": true}', self.curl(f"https://127.0.0.1:{port}/test_me?a=b"))
        self.assertRegex(self.curl(f"https://localhost:{port}/tls"), r"^TLSv1\.3 TLS_\S+ http/1\.1$")
        self.assertRegex(self.curl("--tls-max", "1.2", f"https://localhost:{port}/tls"), r"^TLSv1\.2 ")
        self.assertIn("404 Not Found", self.curl("-i", f"https://localhost:{port}/nothing"))
        self.run_to_end("curl", "-sS", f"https://localhost:{port}/", code=60)  # trusts it not
        self.assertIn("Hello", self.run_to_end("curl", "-skS", f"https://localhost:{port}/").stdout)
        self.assertEqual(0, server.stop())

    def test_curl_keeps_a_connection_for_several_requests(self):
        _, port = self.serve_securely()
        page = f"https://localhost:{port}/test_me"
        shown = self.curl("-w", "%{num_connects}\n", page, page, page)
        self.assertEqual(3, shown.count("it_works"))
        self.assertEqual(["1", "0", "0"], re.findall(r"\}(\d)$", shown, re.M))

    def test_curl_learns_which_methods_there_are(self):
        _, port = self.serve_securely()
        page = f"https://localhost:{port}/"
        for method in ("POST", "DELETE", "OPTIONS", "NONSENSE"):
            shown = self.curl("-i", "-X", method, page)
            self.assertIn("HTTP/1.1 405 Method Not Allowed", shown)
            self.assertIn("\nAllow: GET, HEAD\n", shown)
        whole = self.curl("-i", page)
        head = self.curl("-I", page)
        length = len(whole.split("\n\n", 1)[1])
        self.assertIn(f"Content-Length: {length}\n", head)
        self.assertNotIn("Hello", head)
        self.assertIn("HTTP/1.1 413", self.curl("-i", "--data-binary", "x" * 70_000, page))

    def test_pipelined_requests_are_answered_in_order(self):
        _, port = self.serve_securely()
        client = self.connect(port)
        client.send("GET /test_me HTTP/1.1\r\nHost: h\r\n\r\n\r\nGET /nothing HTTP/1.1\r\nHost: h\r\n\r\n"
                    "GET /tls HTTP/1.0\r\n\r\n")
        said = client.out.wait_for_end()
        self.assertEqual(["HTTP/1.1 200", "HTTP/1.1 404", "HTTP/1.0 200"],
                         re.findall(r"HTTP/1\.. \d+", said))
        self.assertLess(said.index("it_works"), said.index("404 Not Found\n"))
        self.assertEqual(0, client.wait())

    def test_what_is_wrong_is_told_and_ends_the_connection(self):
        _, port = self.serve_securely("--max-header", 2000)
        for request, status in (("nonsense\r\n\r\n", 400),
                                ("GET / HTTP/1.1\r\n\r\n", 400),
                                ("GET / HTTP/3.7\r\nHost: h\r\n\r\n", 505),
                                ("GET / HTTP/1.1\r\nHost: h\r\nX: " + "x" * 3000, 431)):
            client = self.connect(port)
            client.send(request)
            said = client.out.wait_for_end()
            self.assertTrue(said.startswith(f"HTTP/1.1 {status} "), said)
            self.assertIn("Connection: close", said)

    def test_half_a_request_gets_a_408_and_an_idle_connection_nothing(self):
        _, port = self.serve_securely("--request-timeout", "50ms", "--keep-alive-timeout", "50ms")
        client = self.connect(port)
        client.send("GET / HTTP/1.1\r\nHo")
        self.assertIn("HTTP/1.1 408 Request Timeout", client.out.wait_for_end())
        self.assertEqual("", self.connect(port).out.wait_for_end())

    def test_old_versions_and_silent_clients_do_not_get_far(self):
        server, port = self.serve_securely("--handshake-timeout", "50ms")
        self.run_to_end("openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-tls1_1", code=1)
        silent = self.start("nc", "-d", "127.0.0.1", port)
        self.assertEqual("", silent.out.wait_for_end())
        self.assertIn("it_works", self.curl(f"https://localhost:{port}/test_me"))
        self.assertEqual(0, server.stop())

    def test_a_signal_closes_idle_connections_and_lets_a_request_finish(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            server, port = self.serve_securely()
            idle = self.connect(port)
            busy = self.connect(port)
            idle.send("GET /test_me HTTP/1.1\r\nHost: h\r\n\r\n")
            idle.out.wait_for("it_works")
            # The answer to the first says that the half of the second is there as well.
            busy.send("GET /test_me HTTP/1.1\r\nHost: h\r\n\r\nGET /tls HTTP/1.1\r\n")
            busy.out.wait_for("it_works")
            server.send_signal(number)
            idle.out.wait_for_end()
            self.run_to_end("curl", "-sS", f"https://127.0.0.1:{port}/", code=7)  # refused
            busy.send("Host: h\r\n\r\n")
            self.assertRegex(busy.out.wait_for_end(), r"(?s)Connection: close.*\nTLSv1\.3")
            self.assertEqual(0, server.wait())
            self.assertNotIn("cut off", server.err.wait_for_end())

    def test_the_grace_time_or_a_second_signal_cuts_off_what_is_left(self):
        for options, signals in ((["--grace", "50ms"], 1), (["--grace", "1h"], 2)):
            server, port = self.serve_securely("--request-timeout", "1h", *options)
            busy = self.connect(port)
            busy.send("GET /test_me HTTP/1.1\r\nHost: h\r\n\r\nGET /tls HTTP/1.1\r\n")
            busy.out.wait_for("it_works")
            idle = self.connect(port)
            server.send_signal(signal.SIGTERM)
            idle.out.wait_for_end()  # the first signal has been heard
            if signals == 2:
                server.send_signal(signal.SIGTERM)
            self.assertEqual(0, server.wait())
            self.assertIn("cut off connections", server.err.wait_for_end())
            busy.out.wait_for_end()

    def test_what_keeps_it_from_running_is_told(self):
        self.assertIn("--certificate", self.run_to_end(self.program, code=2).stderr)
        self.run_to_end(self.program, "--certificate", self.certificate, "--key", "/nowhere", code=2)
        told = self.run_to_end(self.program, "--port", 0, "--certificate", self.key, "--key",
                               self.key, code=1).stderr
        self.assertIn(str(self.key), told)
        _, port = self.serve_securely()
        told = self.run_to_end(self.program, "--port", port, "--certificate", self.certificate,
                               "--key", self.key, code=1).stderr
        self.assertIn(str(port), told)
        self.check_command_line()


if __name__ == "__main__":
    running_programs.main(sys.argv)
