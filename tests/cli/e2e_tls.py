# SPDX-License-Identifier: MIT
"""TLS: who is believed, who is not, and what the error suggests."""
import json
import socket
import threading

import harness

CERTS = harness.certs()
CA = ["--cacert", CERTS / "ca.pem"]


def server(name="server", *options):
    return harness.Origin("--cert", str(CERTS / f"{name}.pem"), "--key", str(CERTS / f"{name}.key"), *options)


origin = server()


class Tls(harness.Case):
    def refused(self, *args, words):
        run = self.get(*args, status=1)
        self.assertEqual(run.stderr.count(b"\n"), 1, run.stderr)
        for word in words:
            self.assertIn(word, run.stderr.decode())
        return run

    def test_a_known_authority_is_trusted(self):
        self.assertEqual(self.get(*CA, origin.url + "/").stdout, b"hello")

    def test_an_unknown_authority_is_not_and_the_error_suggests_cacert(self):
        self.refused(origin.url + "/", words=["--cacert", "127.0.0.1"])
        self.refused(*CA, server("untrusted").url + "/", words=["--cacert"])
        self.refused(*CA, server("selfsigned").url + "/", words=["--cacert"])

    def test_wrong_names_and_dates_are_refused_with_the_reason(self):
        self.refused(*CA, server("wrongname").url + "/", words=["other.invalid"])
        self.refused(*CA, server("nosan").url + "/", words=["127.0.0.1", "names no host", "subjectAltName"])
        self.refused(*CA, server("expired").url + "/", words=["expired"])
        self.refused(*CA, server("notyet").url + "/", words=["not valid before"])

    def test_the_wrong_protocol_on_a_port_is_told(self):
        plain = harness.Origin()
        self.refused("--retries", "0", plain.url.replace("http:", "https:") + "/", words=["http:// on that port"])
        self.refused("--retries", "0", origin.url.replace("https:", "http:") + "/", words=["https:// on that port"])

    def test_the_wrong_version_of_http_is_told(self):
        def serve(listener):
            client = listener.accept()[0]
            client.sendall(bytes.fromhex("000006040000000000" "000300000064"))
            client.recv(1 << 16)
            client.close()

        known = ["--http2-prior-knowledge", "--retries", "0"]
        self.refused(*known, harness.Origin().url + "/", words=["without --http2-prior-knowledge"])
        self.refused(*CA, *known, origin.url + "/", words=["without --http2-prior-knowledge"])
        with socket.create_server(("127.0.0.1", 0)) as listener:
            threading.Thread(target=serve, args=(listener,), daemon=True).start()
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
            self.refused("--retries", "0", url, words=["it speaks HTTP/2: --http2-prior-knowledge"])

    def test_insecure_believes_whoever_answers(self):
        self.assertEqual(self.get("-k", server("expired").url + "/").stdout, b"hello")

    def test_a_name_can_be_expected_that_the_url_does_not_say(self):
        url = server("wrongname").url + "/"
        self.assertEqual(self.get(*CA, "--servername", "other.invalid", url).stdout, b"hello")

    def test_client_certificates_are_shown(self):
        demanding = server("server", "--client-ca", str(CERTS / "ca.pem"))
        self.get(*CA, "--retries", "0", demanding.url + "/", status=1)
        out = self.get(*CA, "--cert", CERTS / "client.pem", "--key", CERTS / "client.key", demanding.url + "/tls").stdout
        self.assertIn("belay test client", json.loads(out)["client"])
        out = self.get(*CA, "--cert", CERTS / "client.pem", "--key", CERTS / "client-enc.key", "--pass", "secret",
                       demanding.url + "/tls").stdout
        self.assertIn("belay test client", json.loads(out)["client"])

    def test_a_least_version_is_demanded(self):
        old = server("server", "--tls-max", "1.2")
        self.assertEqual(json.loads(self.get(*CA, old.url + "/tls").stdout)["version"], "TLSv1.2")
        self.refused(*CA, "--tls-min", "1.3", old.url + "/", words=["TLS"])

    def test_keys_are_pinned(self):
        wrong = "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
        err = self.refused(*CA, "--pinnedpubkey", wrong, origin.url + "/", words=["sha256//"]).stderr.decode()
        right = "sha256//" + err.split("sha256//")[1][:44]
        self.assertEqual(self.get(*CA, "--pinnedpubkey", f"{wrong};{right}", origin.url + "/").stdout, b"hello")

    def test_a_name_that_is_resolved_or_connected_elsewhere_is_still_verified(self):
        port = origin.port
        self.get(*CA, "--resolve", f"x.belay.test:{port}:127.0.0.1", f"https://x.belay.test:{port}/")
        self.get(*CA, "--connect-to", f"x.belay.test:443:127.0.0.1:{port}", "https://x.belay.test/")
        self.refused(*CA, "--connect-to", f"x.example:443:127.0.0.1:{port}", "https://x.example/", words=["x.example"])

    def test_plain_and_tls_are_told_apart(self):
        plain = harness.Origin()
        self.refused(*CA, f"https://127.0.0.1:{plain.port}/", words=["does not speak TLS"])
        self.refused("--retries", "0", f"http://127.0.0.1:{origin.port}/", words=["127.0.0.1"])

    def test_a_body_cut_without_close_notify_is_an_error(self):
        self.refused(*CA, "--retries", "0", "-o", "f", origin.url + "/cut/1000", words=["/cut/1000"])
        self.assertEqual(self.left_behind(), [])

    def test_verbose_shows_the_facts(self):
        err = self.get("-v", *CA, origin.url + "/").stderr.decode()
        self.assertRegex(err, r"TLSv1\.3, TLS_\w+, .*full handshake")

    def test_many_requests_share_verified_connections(self):
        s = json.loads(self.get("--json", *CA, "-n", "2000", "-c", "64", origin.url + "/").stdout)
        self.assertEqual((s["ok"], s["failed"]), (2000, 0))
        self.assertLessEqual(s["connections"]["opened"], 10)

    def test_connect_timeout_is_for_all_stages_together(self):
        mute = harness.Origin("--accept-but-never-answer")
        run = self.refused("--connect-timeout", "200ms", "--retries", "0", f"https://127.0.0.1:{mute.port}/",
                           words=["TLS", "--connect-timeout"])
        self.assertRegex(run.stderr.decode(), r"within (1\d\d|200) ms")


harness.main()
