#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""examples/mqtt_rpc with mosquitto as the broker, and mosquitto_pub to disturb it.

usage: mqtt_rpc_test.py PROGRAM [TEST...]
"""

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import sys
import tempfile

import running_programs

# What a registrar and a client read, which run before there is a service.
TOPICS = ["register_remote_method", "get_remote_method", "get_remote_method/response",
          "call_remote_method/response"]


class MqttRpc(running_programs.ProgramTest):
    def setUp(self):
        # Debian's broker is where not everybody's PATH leads.
        path = os.environ.get("PATH", "") + os.pathsep + "/usr/sbin"
        self.mosquitto = shutil.which("mosquitto", path=path)
        self.assertTrue(self.mosquitto, "there is no mosquitto; scripts/setup installs it")

    @staticmethod
    def unused_port():
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))
            return bound.getsockname()[1]

    def start_broker(self, *settings):
        """A broker and its port. It cannot choose one itself, so somebody may be faster."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        conf = pathlib.Path(folder.name, "mosquitto.conf")
        for _ in range(10):
            port = self.unused_port()
            lines = [f"listener {port} 127.0.0.1", "log_type all", *settings]
            conf.write_text("\n".join(lines) + "\n", encoding="utf-8")
            broker = self.start(self.mosquitto, "-c", conf)
            with contextlib.suppress(AssertionError):
                broker.err.wait_for("mosquitto version .* running$")
                return broker, port
            self.assertIn("in use", broker.err.text)
        raise AssertionError("no port was free for long enough")

    def play(self, port, *options):
        return self.start(self.program, "--host", "127.0.0.1", "--port", port, *options)

    def publish(self, port, topic, payload):
        self.run_to_end("mosquitto_pub", "-h", "127.0.0.1", "-p", port, "-t", topic, "-m", payload)

    def test_a_method_is_called_when_it_is_registered(self):
        _, port = self.start_broker("allow_anonymous true")
        done = self.run_to_end(self.program, "--port", port, "--register-after", "100ms")
        self.assertEqual("It worked\n3.4\n", done.stdout)
        self.assertNotIn("coroscope", done.stderr)

    def test_roles_may_be_processes_and_bad_payloads_disturb_none(self):
        _, port = self.start_broker("allow_anonymous true")
        registrar = self.play(port, "--role", "registrar")
        registrar.err.wait_for("registrar is listening$")
        client = self.play(port, "--role", "client", "--timeout", "100s")
        client.err.wait_for("client waits for TestService.remote_function$")
        for topic in TOPICS:
            reader = client if topic.endswith("response") else registrar
            self.publish(port, topic, "\x1b[2J nonsense")
            reader.err.wait_for(f"ignored a payload on {topic}: it is not JSON .byte 1.$")
            self.publish(port, topic, '{"uuid": 1}')
            reader.err.wait_for(f"ignored a payload on {topic}: 'uuid' is not a string$")
        unknown = '{"uuid": "1", "service": "TestService", "function": "remote_function", "result": ""}'
        self.publish(port, "get_remote_method/response", unknown)
        service = self.play(port, "--role", "service", "--register-after", "0")
        self.assertEqual(0, client.wait())
        self.assertEqual("3.4\n", client.out.wait_for_end())
        service.out.wait_for("^It worked$")
        self.publish(port, "call_remote_method", "[]")
        service.err.wait_for("ignored a payload on call_remote_method: it is JSON, but not an object$")
        self.assertEqual("3.4\n", self.run_to_end(self.program, "--host", "127.0.0.1", "--port", port,
                                                  "--role", "client").stdout)
        self.assertEqual(0, service.stop(signal.SIGINT))
        self.assertEqual(0, registrar.stop(signal.SIGTERM))
        for each in (registrar, client, service):
            self.assertNotIn("coroscope", each.err.wait_for_end())
            self.assertNotIn("\x1b", each.err.text)

    def test_nobody_registers_the_method(self):
        _, port = self.start_broker("allow_anonymous true")
        told = self.run_to_end(self.program, "--port", port, "--register-after", "1h",
                               "--timeout", "200ms", code=1).stderr
        self.assertRegex(told, "no reply on get_remote_method/response for TestService.remote_function"
                               " within 200 ms; are the registrar and a service")

    def test_a_signal_before_the_result_is_told(self):
        broker, port = self.start_broker("allow_anonymous true")
        program = self.play(port, "--register-after", "1h", "--timeout", "2h")
        broker.err.wait_for("Received PUBLISH from .*'get_remote_method'")
        self.assertEqual(1, program.stop(signal.SIGINT))
        self.assertIn("stopped before there was a result", program.err.wait_for_end())

    def check_broker_is_killed(self, asked, *options):
        """Kills the broker once it was asked for that."""
        broker, port = self.start_broker("allow_anonymous true")
        program = self.play(port, *options)
        broker.err.wait_for(asked)
        broker.send_signal(signal.SIGKILL)
        self.assertEqual(1, program.wait())
        told = program.err.wait_for_end()
        self.assertRegex(told, f"MQTT broker at 127.0.0.1 port {port} was lost: .*; see whether")
        self.assertNotIn("coroscope", told)
        self.assertEqual("", program.out.wait_for_end())

    def test_the_broker_is_killed_half_way(self):
        asked = "Received PUBLISH from .*'get_remote_method'"
        self.check_broker_is_killed(asked, "--register-after", "1h", "--timeout", "2h")
        self.check_broker_is_killed(asked, "--role", "client", "--timeout", "2h")
        self.check_broker_is_killed("get_remote_method .QoS 0.", "--role", "registrar")
        self.check_broker_is_killed("call_remote_method .QoS 0.", "--role", "service",
                                    "--register-after", "1h")

    def test_a_broker_that_is_not_there_or_refuses_is_an_error(self):
        port = self.unused_port()
        told = self.run_to_end(self.program, "--port", port, code=1).stderr
        self.assertEqual(f"mqtt_rpc: cannot connect to the MQTT broker at localhost port {port}: Connection "
                         "refused; start one there (mosquitto), or name another host and port\n", told)
        _, strict = self.start_broker("allow_anonymous false")
        told = self.run_to_end(self.program, "--port", strict, code=1).stderr
        self.assertRegex(told, "(?i)connection refused: not authorised; ")
        with socket.create_server(("127.0.0.1", 0)) as mute:
            told = self.run_to_end(self.program, "--port", mute.getsockname()[1], "--timeout", "200ms",
                                   code=1).stderr
            self.assertIn("no answer within 200 ms; ", told)
        self.assertIn("no.such.host.invalid", self.run_to_end(
            self.program, "--host", "no.such.host.invalid", code=1).stderr)

    def test_the_command_line_is_checked(self):
        self.check_command_line()
        for wrong in (["--role", "nobody"], ["--port", "0"], ["--timeout", "soon"]):
            self.assertTrue(self.run_to_end(self.program, *wrong, code=2).stderr)


if __name__ == "__main__":
    running_programs.main(sys.argv)
