# SPDX-License-Identifier: MIT
"""Through proxies: which is asked, what it hears, what is said when it refuses, and that no secret is shown."""
import http.server
import json
import select
import socket
import threading

import harness

origin = harness.Origin()
URL = origin.url + "/"
SECRET = "53cr3t"


class Proxy:
    """Forwards what is not CONNECT by answering itself; `wants` are the credentials that it asks for."""

    def __init__(self, wants=None, name="proxy"):
        heard = self.heard = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def let_in(self):
                heard.append((self.command, self.path, self.headers.get("Proxy-Authorization")))
                if wants is None or self.headers.get("Proxy-Authorization") == wants:
                    return True
                self.send_response(407)
                self.send_header("Proxy-Authenticate", 'Basic realm="x"')
                self.send_header("Content-Length", "0")
                self.end_headers()
                return False

            def do_GET(self):
                if self.let_in():
                    body = f"{name} {self.path}".encode()
                    self.send_response(200)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)

            def do_CONNECT(self):
                if not self.let_in():
                    return
                host, port = self.path.rsplit(":", 1)
                try:
                    target = socket.create_connection((host.strip("[]"), int(port)))
                except OSError:
                    self.send_error(502)
                    return
                with target:
                    self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
                    self.relay(target)
                self.close_connection = True

            def relay(self, target):
                while True:
                    for ready in select.select([self.connection, target], [], [])[0]:
                        data = ready.recv(65536)
                        if not data:
                            return
                        (target if ready is self.connection else self.connection).sendall(data)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


class Saying:
    """Takes connections and says something on each, or nothing; or what is made of what it hears."""

    def __init__(self, text):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.text = text
        self.held = []
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            conn = self.listener.accept()[0]
            self.held.append(conn)
            if callable(self.text):
                conn.sendall(self.text(conn.recv(65536)))
            elif self.text:
                conn.sendall(self.text)


BASIC = "Basic bWU6NTNjcjN0"  # me:53cr3t


class Proxies(harness.Case):
    def out(self, *args, **env):
        return self.get(*args, env=harness.environment(**env)).stdout.decode()

    def test_the_environment_is_obeyed_as_curl_does(self):
        proxy = Proxy()
        name, to = f"proxy {URL}", proxy.url
        self.assertEqual(self.out(URL, http_proxy=to), name)
        self.assertEqual(self.out(URL, all_proxy=to), name)
        self.assertEqual(self.out(URL, ALL_PROXY=to), name)
        self.assertEqual(self.out(URL, http_proxy=f"127.0.0.1:{proxy.port}"), name)
        for env in ({"HTTP_PROXY": to}, {"https_proxy": to}, {"http_proxy": ""},
                    {"http_proxy": to, "no_proxy": "127.0.0.1"}, {"http_proxy": to, "NO_PROXY": "10.0.0.0/8,127.0.0.0/8"},
                    {"http_proxy": to, "no_proxy": f"127.0.0.1:{origin.port}"}, {"http_proxy": to, "no_proxy": "*"}):
            self.assertEqual(self.out(URL, **env), "hello", env)
        self.assertEqual(self.out(URL, http_proxy=to, no_proxy="127.0.0.1:1"), name)

    def test_options_go_before_the_environment(self):
        proxy, other = Proxy(), Proxy(name="other")
        env = {"http_proxy": other.url}
        self.assertEqual(self.out("-x", proxy.url, URL, **env), f"proxy {URL}")
        self.assertEqual(self.out("-x", "", URL, **env), "hello")
        self.assertEqual(self.out("--noproxy", "*", URL, **env), "hello")
        self.assertEqual(self.out("--noproxy", "127.0.0.0/8", "-x", proxy.url, URL), "hello")
        self.assertEqual(self.out("--noproxy", "", URL, **env, no_proxy="*"), f"other {URL}")

    def test_names_and_credentials_are_treated_as_by_curl(self):
        proxy = Proxy()
        origin_url = f"http://a.test:{origin.port}/"
        resolve = ("--resolve", f"a.test:{origin.port}:127.0.0.1")
        self.assertEqual(self.out("-x", proxy.url + "/some/path", *resolve, origin_url), f"proxy {origin_url}")
        self.assertEqual(self.out("-x", f"{proxy.url} | direct://", *resolve, origin_url), "hello")
        for user, sent in (("me:53cr3t", BASIC), ("me:%353cr3t", BASIC), (":", "Basic Og==")):
            self.out("-x", proxy.url, "-U", user, URL)
            self.assertEqual(proxy.heard[-1], ("GET", URL, sent))
        self.out("-x", proxy.url.replace("//", f"//me:{SECRET}@"), "-U", "you:x", URL)
        self.assertEqual(proxy.heard[-1], ("GET", URL, BASIC))
        run = self.get("-x", proxy.url, "-U", "me", URL, status=2)
        self.assertIn(b"NAME:PASSWORD", run.stderr)

    def test_a_chain_is_given_nearest_first(self):
        gate, proxy = Proxy(name="gate"), Proxy(wants=BASIC)
        self.assertEqual(self.out("-x", gate.url, "-x", proxy.url, "-U", "me:" + SECRET, URL), f"proxy {URL}")
        self.assertEqual(gate.heard, [("CONNECT", f"127.0.0.1:{proxy.port}", None)])
        self.assertEqual(proxy.heard, [("GET", URL, BASIC)])

    def test_the_next_is_tried_when_one_fails(self):
        proxy = Proxy()
        self.assertEqual(self.out("-x", f"http://127.0.0.1:1 | {proxy.url}", URL), f"proxy {URL}")
        self.assertEqual(self.out("-x", "http://127.0.0.1:1 | direct://", URL), "hello")

    def test_one_connection_to_a_proxy_serves_many_targets(self):
        proxy = Proxy()
        urls = [f"http://host-{i}.test/" for i in range(20)]
        run = self.get("--json", "-c", "1", "-x", proxy.url, *urls)
        report = json.loads(run.stdout)
        self.assertEqual(report["ok"], 20)
        self.assertEqual(report["connections"]["opened"], 1)

    def test_a_proxy_that_wants_credentials_is_told_apart(self):
        proxy = Proxy(wants=BASIC)
        run = self.get("-f", "-x", proxy.url, URL, status=1)
        self.assertIn(b"407 (--proxy-user NAME:PASSWORD)", run.stderr)
        run = self.get("-x", proxy.url, "https://127.0.0.1:1/", status=1)
        self.assertIn(b"(--proxy-user NAME:PASSWORD)", run.stderr)
        self.assertEqual(len(proxy.heard), 2)  # such an answer is not asked for again
        self.assertEqual(self.out("-x", proxy.url, "--proxy-user", "me:" + SECRET, URL), f"proxy {URL}")
        self.assertEqual(self.out(URL, "-U", "me:" + SECRET, http_proxy=proxy.url), f"proxy {URL}")

    def test_no_secret_is_shown(self):
        proxy = Proxy(wants=BASIC)
        good, bad = f"http://me:{SECRET}@127.0.0.1:{proxy.port}", f"http://you:{SECRET}@127.0.0.1:{proxy.port}"
        socks = f"socks5h://me:{SECRET}@127.0.0.1:{proxy.port}"
        for args in ([good, URL], [bad, URL], [bad, "https://127.0.0.1:1/"], [good, "https://127.0.0.1:1/"], [socks, URL],
                     [socks + " | " + good, URL]):
            for more in (["-vv"], ["-v", "--json", "--discard"], ["-w"]):
                run = self.belay("get", "--retries", "0", "--connect-timeout", "0.5", *more, "-x", *args)
                told = run.stdout.decode() + run.stderr.decode()
                self.assertNotIn(SECRET, told)
                self.assertNotIn(BASIC[6:], told)
                self.assertIn(f"127.0.0.1:{proxy.port}", run.stderr.decode() + f"127.0.0.1:{proxy.port}" * (more == ["-w"]))

    def test_a_proxy_that_repeats_what_it_heard_shows_no_secret(self):
        def answer(heard):
            return b"HTTP/1.1 200 OK\r\n\r\n" * heard.startswith(b"CONNECT") + heard.split(b"Basic ")[1]

        proxy = Saying(answer).url.replace("//", f"//me:{SECRET}@")
        for url in ("https://127.0.0.1:1/", "http://127.0.0.1:1/"):
            for more in ("-vv", "--json"):
                run = self.belay("get", "--retries", "0", more, "-x", proxy, url)
                self.assertNotEqual(run.returncode, 0)
                self.assertNotIn(BASIC[6:].encode(), run.stdout + run.stderr)

    def test_proxies_that_talk_nonsense_are_clear_errors(self):
        for text, words in ((b"SSH-2.0-x\r\n", b"not HTTP"), (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 40000, b"proxy"),
                            (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", b"503"), (b"", b"(--connect-timeout sets the limit)")):
            run = self.get("--retries", "0", "--connect-timeout", "0.5", "-x", Saying(text).url, "https://127.0.0.1:1/",
                           status=1)
            self.assertIn(words, run.stderr)
            self.assertEqual(run.stderr.count(b"\n"), 1, run.stderr)

    def test_pool_goes_through_proxies_too(self):
        proxy = Proxy()
        run = self.belay("pool", "--for", "300ms", "--every", "50ms", "-x", proxy.url, URL, f"tcp://127.0.0.1:{origin.port}")
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertIn(f"through {proxy.url}", run.stdout.decode() + run.stderr.decode())
        self.assertIn(("GET", URL, None), proxy.heard)
        self.assertIn(("CONNECT", f"127.0.0.1:{origin.port}", None), proxy.heard)


harness.main()
