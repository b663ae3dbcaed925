# SPDX-License-Identifier: MIT
"""`belay grpc`: calls of every kind, what is sent and what is shown."""
import json
import signal
import subprocess

import grpc_kit
import harness


class Calls(grpc_kit.Case):
    def begin(self, *args, **options):
        options = {"stdin": subprocess.PIPE, "bufsize": 0, **options}
        return self.begin_run("grpc", self.server.target, *args, **options)

    # ---- the four kinds ----

    def test_one_message_each_way(self):
        self.assertEqual(self.answers("shop.Cart/Add", "-d", '{"sku": "a", "count": 3}'), [{"count": "3"}])

    def test_names_of_methods_may_be_written_in_other_ways(self):
        for name in ("shop.Cart.Add", "/shop.Cart/Add"):
            self.assertEqual(self.answers(name, "-d", '{"count": 3}'), [{"count": "3"}])

    def test_without_data_the_message_is_empty(self):
        self.assertEqual(self.answers("shop.Cart/Add"), [{}])
        self.assertEqual(self.answers("shop.Cart/Add", "-d", ""), [{}])

    def test_many_messages_come(self):
        self.assertEqual(self.answers("shop.Cart/Items", "-d", '{"like": "x", "limit": 3}'),
                         [{"sku": "x0"}, {"sku": "x1", "count": 1}, {"sku": "x2", "count": 2}])

    def test_many_messages_go(self):
        self.assertEqual(self.answers("shop.Cart/AddMany", "-d", '{"count": 1}{"count": 2}\n\n {"count":\n4}'), [{"count": "7"}])

    def test_a_stream_that_is_not_given_is_read_from_standard_input(self):
        self.assertEqual(self.answers("shop.Cart/AddMany", stdin=b'{"count": 1}\n{"count": 2}\n'), [{"count": "3"}])
        self.assertEqual(self.answers("shop.Cart/AddMany"), [{}])

    def test_both_sides_talk_while_input_goes_on(self):
        run = self.begin("shop.Cart/Talk")
        total = 0
        for count in (1, 2, 40):
            total += count
            run.stdin.write(b'{"count":\n %d}\n' % count)
            self.assertEqual(json.loads(run.stdout.readline()), {"count": str(total)})
        run.stdin.close()
        self.assertEqual((run.stdout.read(), run.wait(harness.LIMIT)), (b"", 0))

    def test_ten_thousand_messages_pass_both_ways(self):
        got = self.answers("shop.Cart/Talk", stdin=b'{"count": 1}' * 10000)
        self.assertEqual((len(got), got[-1]), (10000, {"count": "10000"}))

    # ---- where messages come from ----

    def test_a_file_has_messages(self):
        (self.dir / "items").write_text('{"count": 5} {"count": 6}')
        self.assertEqual(self.answers("shop.Cart/AddMany", "-d", "@items"), [{"count": "11"}])

    def test_standard_input_has_the_one_message(self):
        for name in ("@", "@-"):
            self.assertEqual(self.answers("shop.Cart/Add", "-d", name, stdin=b'{"count": 5}'), [{"count": "5"}])
        self.assertEqual(self.answers("shop.Cart/Add", "-d", "@"), [{}])

    def test_standard_input_may_be_a_file(self):
        (self.dir / "items").write_text('{"count": 1}\n' * 3000)
        with open(self.dir / "items", encoding="ascii") as file:
            run = self.start("grpc", self.server.target, "shop.Cart/AddMany", stdin=file)
            self.assertEqual(run.communicate(timeout=harness.LIMIT)[0], b'{"count":"3000"}\n')

    # ---- what is shown ----

    def test_any_and_well_known_types_are_shown_as_json_has_them(self):
        self.assertEqual(self.answers("shop.Cart/Wrap", "-d", '{"sku": "red"}'),
                         [{"any": {"@type": "type.googleapis.com/shop.Ribbon", "text": "red"}, "packedAt": "2020-09-13T12:26:40Z"}])

    def test_an_any_that_nobody_knows_is_told_of(self):
        run = self.grpc("shop.Cart/Wrap", "-d", '{"sku": "red", "count": 1}')
        self.assertEqual(json.loads(run.stdout)["any"], {"@type": "type.googleapis.com/nobody.Knows"})
        self.assertIn(b"nobody.Knows", run.stderr)

    def test_anys_within_each_other_are_shown_as_far_as_is_sound(self):
        wrap = lambda n: ["shop.Cart/Wrap", "-d", json.dumps({"sku": "nested", "count": n})]
        self.assertEqual(self.grpc(*wrap(20)).stdout.count(b"google.protobuf.Any"), 20)
        run = self.grpc(*wrap(20000), status=1)
        self.assertEqual(run.stdout, b"")
        self.assertIn(b"within each other", run.stderr)

    def test_not_every_type_that_nobody_knows_is_asked_for(self):
        for known in ([], ["--proto", grpc_kit.HERE / "shop.proto"]):
            run = self.grpc("shop.Cart/Wrap", *known, "-d", '{"sku": "strange", "count": 300}')
            self.assertEqual(len(json.loads(run.stdout)["more"]), 300)
            self.assertLess(run.stderr.count(b"\n"), 200)

    def test_defaults_are_shown_on_demand(self):
        self.assertEqual(self.answers("shop.Cart/Add", "--emit-defaults"), [{"count": "0", "seen": []}])

    def test_a_terminal_gets_lines_and_indents(self):
        for options, shown in ((), '{\n "count": "3"\n}\n'), (("--json",), '{"count":"3"}\n'):
            screen = harness.Screen(harness.BELAY, "grpc", self.server.target, "shop.Cart/Add", "-d", '{"count": 3}', *options)
            status, text = screen.end()
            self.assertEqual((status, text), (0, shown))

    def test_verbose_shows_metadata_and_trailers(self):
        run = self.grpc("shop.Cart/Add", "-v", "-H", "X-Me: you", "-H", "x-b-bin: AAE=")
        err = run.stderr.decode()
        for line in ("* calling /shop.Cart/Add (shop.Item) returns (shop.Total)", "> x-me: you", "> x-b-bin: AAE=",
                     "< x-first: one", "< x-raw-bin: AAE=", "* trailers:", "< x-last: two"):
            self.assertIn(line + "\n", err)
        self.assertLess(err.index("x-first"), err.index("x-last"))
        self.assertIn(": open", err)
        self.assertEqual(json.loads(run.stdout), {"seen": ["x-b-bin=0001", "x-me=you"]})

    def test_quietly_nothing_is_said(self):
        self.assertEqual(self.grpc("shop.Cart/Add").stderr, b"")

    def test_a_terminal_is_told_that_it_is_read(self):
        screen = harness.Screen(harness.BELAY, "grpc", self.server.target, "shop.Cart/AddMany")
        screen.wait_for_bytes(b"Ctrl-D ends them")
        screen.press('{"count": 3}\n\x04')
        status, text = screen.end()
        self.assertEqual(status, 0)
        self.assertIn('"count": "3"', text)

    # ---- options of the call ----

    def test_the_deadline_is_kept(self):
        for option in ("--deadline", "-m"):
            self.refused("shop.Cart/Sleep", option, "1s", status=grpc_kit.DEADLINE, words=["DEADLINE_EXCEEDED", "--deadline"])

    def test_compressed_messages_go_and_come(self):
        item = json.dumps({"sku": "a" * 100000, "count": 2})
        self.assertEqual(self.answers("shop.Cart/Add", "--gzip", "-d", item), [{"count": "2"}])
        run = self.grpc("shop.Cart/Items", "-v", "-d", '{"like": "gzip%s", "limit": 2}' % ("a" * 1000))
        self.assertEqual([json.loads(line)["sku"] for line in run.stdout.splitlines()], ["gzip" + "a" * 1000 + n for n in "01"])

    def test_longer_messages_are_allowed_on_demand(self):
        query = json.dumps({"like": "a" * 5000000, "limit": 1})
        self.refused("shop.Cart/Items", "-d", "@", stdin=query.encode(), status=72, words=["--max-msg-size", "4194304"])
        got = self.answers("shop.Cart/Items", "-d", "@", "--max-msg-size", "8M", stdin=query.encode())
        self.assertEqual(len(got[0]["sku"]), 5000001)

    def test_options_may_have_one_dash_as_those_of_grpcurl(self):
        self.assertEqual(self.answers("shop.Cart/Add", "-plaintext", "-emit-defaults", "-d", '{"count":1}', target=self.server.host),
                         [{"count": "1", "seen": []}])
        self.refused("-max-msg-sz", "1", "list", status=2, words=["--max-msg-size"])

    # ---- interruptions ----

    def test_an_interrupt_ends_it_with_what_was_done(self):
        run = self.begin("shop.Cart/Talk")
        run.stdin.write(b'{"count": 1}')
        run.stdout.readline()
        run.send_signal(signal.SIGINT)
        err = run.stderr.read().decode()
        self.assertEqual(run.wait(harness.LIMIT), 130)
        self.assertEqual(err, "belay: calling shop.Cart/Talk: interrupted after 1 message sent, 1 received\n")

    def test_an_interrupt_ends_it_while_nobody_reads(self):
        run = self.begin("shop.Cart/Items", "-d", '{"limit": 1000000}')
        run.stdout.readline()
        run.send_signal(signal.SIGINT)
        self.assertEqual(run.wait(harness.LIMIT), 130)

    def test_a_reader_that_goes_ends_it_silently(self):
        run = self.begin("shop.Cart/Items", "-d", '{"limit": 1000000}')
        run.stdout.readline()
        run.stdout.close()
        self.assertEqual((run.wait(harness.LIMIT), run.stderr.read()), (1, b""))

    def test_output_that_fails_is_told(self):
        with open("/dev/full", "wb") as full:
            run = self.start("grpc", self.server.target, "shop.Cart/Add", stdout=full)
            self.assertIn(b"writing to standard output: No space left", run.communicate(timeout=harness.LIMIT)[1])
            self.assertEqual(run.returncode, 1)


harness.main()
