# SPDX-License-Identifier: MIT
"""`belay grpc`: what is known of a server, by reflection, by descriptor sets and by .proto files."""
import json
import signal
import subprocess

import grpc_kit
import harness

METHODS = [f"shop.Cart/{m}" for m in ("Add", "AddMany", "Items", "Talk", "Fail", "Wrap", "Sleep")]
SERVICES = ["grpc.health.v1.Health", "shop.Cart", "shop.Stock"]
SHOP = grpc_kit.HERE / "shop.proto"


class Schema(grpc_kit.Case):
    def lines(self, *args, **options):
        return self.grpc(*args, **options).stdout.decode().splitlines()

    def local(self, *args, status=0):
        run = self.belay("grpc", *args)
        self.assertEqual(run.returncode, status, run.stderr)
        return run.stdout.decode() if status == 0 else run.stderr.decode()

    def make_set(self, name, *options):
        grpc_kit.protoc("-I", grpc_kit.HERE, *options, "-o", self.dir / name, "shop.proto")
        return name

    # ---- reflection ----

    def test_the_server_tells_what_it_offers(self):
        self.assertEqual(self.lines("list"), SERVICES)
        self.assertEqual(self.lines("list", "shop.Cart"), METHODS)
        self.assertEqual(json.loads(self.grpc("list", "--json").stdout), SERVICES)

    def test_the_older_reflection_serves_as_well(self):
        old = grpc_kit.Server("--v1alpha")
        self.assertEqual(self.lines("list", target=old.target), SERVICES)
        self.assertEqual(self.answers("shop.Cart/Add", "-d", '{"count": 1}', target=old.target), [{"count": "1"}])

    def test_without_reflection_the_error_suggests_what_to_do(self):
        mute = grpc_kit.Server("--no-reflection")
        self.refused("list", target=mute.target, status=grpc_kit.UNIMPLEMENTED, words=["--protoset", "--proto", "--hex"])
        self.assertEqual(self.answers("shop.Cart/Add", "-d", '{"count": 1}', "--proto", SHOP, target=mute.target), [{"count": "1"}])

    def test_reflection_may_want_metadata_of_its_own(self):
        shy = grpc_kit.Server("--token", "secret")
        self.refused("list", target=shy.target, status=80, words=["UNAUTHENTICATED", "who are you?"])
        got = self.answers("shop.Cart/Add", "--reflect-header", "X-Token: secret", "-H", "x-me: you", target=shy.target)
        self.assertEqual(got, [{"seen": ["x-me=you"]}])

    def test_reflection_that_lies_is_refused(self):
        for how, words in (("ring", ["imports itself"]), ("endless", ["without end"]), ("other", ["b.proto", "something else"]),
                           ("gone", ["b.proto", "NOT_FOUND", "\\x1b"]), ("junk", ["descriptor"]), ("broken", ["no.Such"]),
                           ("chain", ["too many others"])):
            with self.subTest(how=how):
                liar = grpc_kit.Server("--lie", how)
                self.refused("shop.Cart/Add", target=liar.target, status=1, words=["asking what it offers", *words])
                liar.end()

    def test_what_a_server_tells_cannot_move_the_cursor(self):
        liar = grpc_kit.Server("--lie", "comment")
        self.refused("list", target=liar.target, status=1, words=["names a service"])
        out = self.grpc("describe", "shop.Cart", target=liar.target).stdout
        self.assertIn(b"[31mred", out)
        self.assertNotIn(b"\x1b", out)
        self.assertEqual(out.splitlines()[0].decode(), "// shop.Cart is a service of a.proto [31m 31m".replace(" 31m", "  31m") + "   ")

    def test_words_of_any_length_are_described(self):
        liar = grpc_kit.Server("--lie", "words")
        out = self.grpc("describe", "shop.Item", target=liar.target).stdout
        self.assertIn(b"// " + b"a" * 300000 + b"\n", out)
        self.assertIn(b"string " + b"a" * 300000 + b" = 1;", out)

    def test_an_interrupt_ends_it_while_nobody_reads(self):
        liar = grpc_kit.Server("--lie", "words")
        run = self.begin_run("grpc", liar.target, "describe", "shop.Item", bufsize=0)
        run.stdout.read(1)
        run.send_signal(signal.SIGINT)
        self.assertEqual(run.wait(harness.LIMIT), -signal.SIGINT)

    def test_types_of_protobufs_own_are_what_they_are(self):
        liar = grpc_kit.Server("--lie", "struct")
        run = self.belay("grpc", liar.target, "shop.Cart/Wrap", "-d", '{"sku": "red"}', "-m", "5s")
        self.assertIn(run.returncode, (0, 1), run.stderr)

    def test_a_type_that_is_claimed_and_not_told_of_is_asked_for_once(self):
        liar = grpc_kit.Server("--lie", "claim")
        run = self.grpc("shop.Cart/Wrap", "-d", '{"sku": "red"}', target=liar.target)
        self.assertEqual(json.loads(run.stdout)["any"], {"@type": "type.googleapis.com/shop.Ribbon"})
        self.assertIn(b"nobody says what that looks like", run.stderr)

    def test_types_within_each_other_without_end_are_refused(self):
        liar = grpc_kit.Server("--lie", "deep")
        run = self.belay("grpc", liar.target, "shop.Cart/Wrap")
        self.assertEqual((run.returncode, run.stdout), (1, b""), run.stderr)
        self.assertIn(b"types", run.stderr)
        self.assertIn(b"--hex", run.stderr)
        self.refused("shop.Cart/Wrap", "-d", '{"skuu": "red"}', target=liar.target, status=2, words=["did you mean sku?"])

    def test_what_is_described_may_be_given_to_a_shell(self):
        liar = grpc_kit.Server("--lie", "quote")
        last = self.lines("describe", "shop.Cart.Wrap", target=liar.target)[-1]
        self.assertTrue(last.startswith("// -d '"), last)
        said = subprocess.run(["sh", "-c", "printf %s " + last[len("// -d "):]], capture_output=True, check=True).stdout
        self.assertEqual(json.loads(said), {"it's": ""})

    def test_symbols_are_described(self):
        text = "\n".join(self.lines("describe", "shop.Cart.Add"))
        self.assertIn("// shop.Cart.Add is a method of shop.proto\nrpc Add(shop.Item) returns (shop.Total);", text)
        self.assertIn("message Item {", text)
        self.assertIn("message Total {", text)
        self.assertTrue(text.endswith("""\n\n// -d '{"sku":"","count":0,"colour":"NONE","picture":""}'"""), text)
        self.assertEqual(text, "\n".join(self.lines("describe", "shop.Cart/Add")))
        self.assertIn("enum Colour {", "\n".join(self.lines("describe", "shop.Colour")))
        self.assertIn("service Stock {", "\n".join(self.lines("describe")))
        self.refused("describe", "shop.Itm", status=1, words=["describing shop.Itm", "did you mean shop.Item?"])

    # ---- descriptor sets ----

    def test_a_descriptor_set_needs_no_server(self):
        name = self.make_set("set", "--include_imports")
        self.assertEqual(self.local("--protoset", name, "list").splitlines(), SERVICES[1:])
        self.assertEqual(self.local("--protoset", name, "list", "shop.Cart").splitlines(), METHODS)
        self.assertIn("string like = 1;\n", self.local("--protoset", name, "describe", "shop.Query"))

    def test_a_descriptor_set_is_enough_for_calls(self):
        mute = grpc_kit.Server("--no-reflection")
        name = self.make_set("set", "--include_imports")
        self.assertEqual(self.answers("--protoset", name, "shop.Cart/Add", "-d", '{"count": 1}', target=mute.target),
                         [{"count": "1"}])
        self.refused("--protoset", name, "shop.Cart/Ad", target=mute.target, status=1, words=["did you mean Add?"])

    def test_comments_are_shown_where_there_are_any(self):
        name = self.make_set("set", "--include_imports", "--include_source_info")
        self.assertIn("// Adds one thing", self.local("--protoset", name, "describe", "shop.Cart"))

    def test_bad_sets_are_refused_with_the_reason(self):
        self.assertIn("goods.proto", self.local("--protoset", self.make_set("part"), "list", status=2))
        for name, text in (("empty", b""), ("junk", b"\xff\xff\xff"), ("text", b"syntax")):
            (self.dir / name).write_bytes(text)
            self.assertIn(f"{name}: is not a descriptor set", self.local("--protoset", name, "list", status=2))

    # ---- .proto files ----

    def test_proto_files_are_read_with_what_they_import(self):
        self.assertEqual(self.local("--proto", SHOP, "list").splitlines(), SERVICES[1:])
        self.assertEqual(self.local("--proto", "shop.proto", "--import-path", grpc_kit.HERE, "list").splitlines(), SERVICES[1:])
        self.assertIn("// A cart of one customer.", self.local("--proto", SHOP, "describe", "shop.Cart"))
        self.assertIn("// One thing to be bought.", self.local("--proto", SHOP, "describe", "shop.Item"))

    def test_an_any_of_a_file_that_is_given_is_shown(self):
        got = self.answers("--proto", SHOP, "--proto", grpc_kit.HERE / "wrapped.proto", "shop.Cart/Wrap", "-d", '{"sku": "red"}')
        self.assertEqual(got[0]["any"]["text"], "red")

    def test_bad_proto_files_are_refused_with_their_line(self):
        for name, text, words in (("bad.proto", 'syntax = "proto3";\nmessage X { Y z = 1; }', "bad.proto:2:13: \"Y\" is not defined"),
                                  ("worse.proto", "mess", "worse.proto:1:1"),
                                  ("import.proto", 'syntax = "proto3"; import "gone.proto";', "gone.proto")):
            (self.dir / name).write_text(text)
            self.assertIn(words, self.local("--proto", name, "list", status=2))
        self.assertIn("--import-path", self.local("--proto", "missing.proto", "list", status=2))


harness.main()
