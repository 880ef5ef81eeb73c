#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""examples/chat_server against nc.

usage: chat_server_test.py PROGRAM [TEST...]
"""

import signal
import sys

import running_programs


class ChatServer(running_programs.ProgramTest):
    def join(self, port, name):
        client = self.start("nc", "127.0.0.1", port)
        client.out.wait_for(r"^\* you are guest\d+ in lobby; ")
        client.send(f"/nick {name}\n")
        client.out.wait_for(rf"^\* guest\d+ is now {name}$")
        return client

    def test_members_read_what_others_in_their_room_say(self):
        server, port = self.serve()
        anna, ben, carl = (self.join(port, name) for name in ("anna", "ben", "carl"))
        carl.send("/join kitchen\n")
        anna.out.wait_for(r"^\* carl has gone to kitchen$")
        anna.send("hello\n")
        ben.out.wait_for("^anna: hello$")
        ben.send("hi\r\n\n\x1b[2J\tboo\n")
        anna.out.wait_for(r"^ben: \?\[2J boo$")
        carl.send("/who\n")
        carl.out.wait_for(r"^\* in kitchen: carl$")
        anna.send("/join kitchen\nanybody?\n")
        carl.out.wait_for("^anna: anybody\\?$")
        self.assertNotIn("hello", carl.out.text)
        self.assertNotIn("hello", anna.out.text)
        self.assertIn("\nben: hi\n", anna.out.text)
        anna.send("/quit\n")
        anna.out.wait_for(r"^\* goodbye$")
        carl.out.wait_for(r"^\* anna has gone$")
        self.assertEqual(0, server.stop())

    def test_names_and_commands_are_checked(self):
        _, port = self.serve()
        anna = self.join(port, "anna")
        other = self.start("nc", "-N", "127.0.0.1", port)
        for typed, answer in (("/nick anna", "there is a anna already"),
                              ("/nick", "a name has 1 to 20"), ("/nick a b", "a name has 1 to 20"),
                              ("/join ../etc", "a room's name has 1 to 20"),
                              ("/shout", "there is no command /shout"), ("/help", "/nick NAME")):
            other.send(typed + "\n")
            other.out.wait_for("^[*] .*" + answer)
        other.send("hello")  # no end of line: the end of the input is one
        other.end_input()
        anna.out.wait_for("^guest2: hello$")

    def test_a_connection_that_breaks_off_is_told_to_the_others(self):
        _, port = self.serve()
        anna, ben = self.join(port, "anna"), self.join(port, "ben")
        ben.stop(signal.SIGKILL)
        anna.out.wait_for(r"^\* ben has (gone|lost the connection)$")
        talker = self.join(port, "talker")
        talker.send("x" * 5000 + "\n")
        talker.out.wait_for(r"^\* that line is too long; goodbye$")
        anna.out.wait_for(r"^\* talker talks too much and was dropped$")

    def test_a_slow_reader_is_dropped_and_the_others_miss_nothing(self):
        server, port = self.serve("--farewell-time", "1h")
        talker, reader, slow = (self.join(port, name) for name in ("talker", "reader", "slow"))
        slow.send_signal(signal.SIGSTOP)
        count, text = 0, "x" * 900
        # A thousand lines at a time, until what the kernel keeps for the slow one is full as well.
        while "slow reads too slowly" not in talker.out.text:
            talker.send("".join(f"{n} {text}\n" for n in range(count, count + 1000)))
            count += 1000
            reader.out.wait_for(f"^talker: {count - 1} x")
            self.assertLess(count, 100_000)
        reader.out.wait_for(r"^\* slow reads too slowly and was dropped$")
        said = [line for line in reader.out.text.splitlines() if line.startswith("talker: ")]
        self.assertEqual([f"talker: {n} {text}" for n in range(count)], said)
        slow.send_signal(signal.SIGCONT)  # and is told why
        slow.out.wait_for(r"^\* you read too slowly; goodbye$")
        self.assertIn("talker: 0 x", slow.out.text)
        self.assertEqual(0, server.stop())

    def test_a_full_chat_turns_people_away(self):
        _, port = self.serve("--max-members", 1)
        self.join(port, "anna")
        self.assertEqual("* the chat is full; try later\n",
                         self.start("nc", "-d", "127.0.0.1", port).out.wait_for_end())

    def test_a_signal_says_goodbye_to_everybody(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            server, port = self.serve()
            anna, ben = self.join(port, "anna"), self.join(port, "ben")
            server.send_signal(number)
            for client in (anna, ben):
                client.out.wait_for(r"^\* the server is stopping; goodbye$")
            self.assertEqual(0, server.wait())

    def test_who_does_not_take_the_goodbye_is_cut_off(self):
        for options, signals in ((["--farewell-time", "50ms"], 1), (["--farewell-time", "1h"], 2)):
            server, port = self.serve("--waiting-lines", 100_000, *options)
            talker, stuck = self.join(port, "talker"), self.join(port, "stuck")
            listener = self.join(port, "listener")
            stuck.send_signal(signal.SIGSTOP)
            talker.send(("x" * 900 + "\n") * 20_000)  # more than the kernel takes
            talker.send("done\n")
            listener.out.wait_for("^talker: done$")
            server.send_signal(signal.SIGTERM)
            listener.out.wait_for(r"^\* the server is stopping; goodbye$")
            if signals == 2:
                server.send_signal(signal.SIGTERM)
            self.assertEqual(0, server.wait())

    def test_what_keeps_it_from_running_is_told(self):
        _, port = self.serve()
        told = self.run_to_end(self.program, "--port", port, code=1).stderr
        self.assertIn(str(port), told)
        self.check_command_line()


if __name__ == "__main__":
    running_programs.main(sys.argv)
