# SPDX-License-Identifier: MIT
"""`belay grpc` with the bytes of messages: what it can do without a schema, and so without libprotobuf."""
import grpc_kit
import harness


class Raw(grpc_kit.Case):
    @classmethod
    def setUpClass(cls):
        cls.server = grpc_kit.Server("--no-reflection")

    def test_bytes_are_sent_and_shown_as_they_are(self):
        self.assertEqual(self.grpc("shop.Cart/Add", "--hex", "-d", "10 07").stdout, b"0807\n")
        self.assertEqual(self.grpc("shop.Cart/Add", "--base64", "-d", "EAc=").stdout, b"CAc=\n")

    def test_no_bytes_are_an_empty_message(self):
        for data in (["-d", ""], []):
            self.assertEqual(self.grpc("shop.Cart/Add", "--hex", *data).stdout, b"\n")

    def test_each_line_is_a_message(self):
        out = self.grpc("shop.Cart/Talk", "--hex", "-d", "@", stdin=b"1001\n1002\n").stdout
        self.assertEqual(out, b"0801\n0803\n")
        self.assertEqual(self.grpc("shop.Cart/AddMany", "--base64", "-d", "EAE=\nEAI=").stdout, b"CAM=\n")

    def test_statuses_are_the_programs_own(self):
        self.refused("shop.Cart/Fail", "--hex", "-d", "0805 1202 6e6f", status=grpc_kit.NOT_FOUND, words=["NOT_FOUND: no"])
        self.refused("shop.Cart/Nothing", "--hex", status=grpc_kit.UNIMPLEMENTED, words=["UNIMPLEMENTED"])

    def test_bytes_that_are_no_message_are_the_servers_to_refuse(self):
        self.refused("shop.Cart/Add", "--hex", "-d", "ff", status=77, words=["INTERNAL"])

    def test_details_of_errors_are_shown(self):
        run = self.grpc("shop.Cart/Fail", "--hex", "-d", "0803 1801", status=67)
        self.assertIn("  google.rpc.RetryInfo ", run.stderr.decode())

    def test_many_calls_are_counted(self):
        self.assertIn(b"OK: 50", self.grpc("shop.Cart/Add", "--hex", "-d", "1007", "-n", "50").stdout)

    def test_json_needs_libprotobuf_or_reflection(self):
        err = self.belay("grpc", self.server.target, "list").stderr.decode()
        self.assertRegex(err, "built without protobuf.*--hex|UNIMPLEMENTED.*--hex")


harness.main()
