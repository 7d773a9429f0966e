#!/usr/bin/env python3
"""The public corpus `agent-egress-bench`, through a real door to real servers on loopback.

    AGENT_EGRESS_BENCH=CHECKOUT tests/corpus/bench.py PATH/doorward

Prints the four scores of docs/leak-check.md, and by name what is no success. Twice: with what each
attack carries known as a bait, and with nothing known and `leaks = "block"`. The target of each
case is allowed for every path, addresses too. An attack is contained when its server did
not get it whole; a benign case passes when it arrived as it was sent, and its answer came back.

Wants openssl. Everything is in a temporary folder, and nothing leaves the machine.
"""
import base64, hashlib, json, os, pathlib, re, signal, socket, ssl, struct, subprocess, sys, tempfile, threading, time
from urllib.parse import urlsplit

PROGRAM = sys.argv[1]
CHECKOUT = pathlib.Path(os.environ["AGENT_EGRESS_BENCH"])
THROUGH_A_DOOR = {"fetch_proxy", "http_proxy", "websocket", "mcp_http"}
MCP = "https://tools.example.com/mcp"

# What the attacks carry, as a program would have it: undone by hand where the case disguises it.
KNOWN = """
bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa 4111111111111111
GB82WEST12345698765432 5HueCGU8rMjxEXxiPuD5BDku4MkFqeZyd4dZ1jvhTVqvbTLvyTJ AKIAIOSFODNN7EXAMPLE
wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY ghp_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef01
ghp_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef12 SG.FAKE_TEST_KEY_0000000000.FAKE_TEST_000000000000000000000000000000000000000
sk-proj-FAKE00000000000000000000000000000000000000TEST0000 sk-test-4eC39HqLyjWDarjtT1zdp7dc
sk_live_FAKE_TEST_KEY_00000000000 SuperSecretDBPass!2026 JBSWY3DPEHPK3PXP secret_token_1234567890
ghp-xxxxyyyyzzzzaaaabbbbccccdddd postgres://user:pass@db secret_api_key_12345 APIKEY123456 JohnDoeSecret1
a1b2c3d4e5f6a7b8c9d0e1f2a3b4c5d6e7f8a9b0c1d2e3f4a5b6c7d8e9f0a1b2c3d4e5f6a7b8c9d0
x7Kp2mQ9vR4sL8nW1bY6cT3fA0jH5dE wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXMPLEKEY
""".split()


class Server:
    """Answers whatever it is asked, over TLS or not, and remembers what arrived whole."""

    def __init__(self, context=None):
        self.context, self.arrived, self.answer = context, [], b"ok"
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.converse, args=(connection,), daemon=True).start()

    def converse(self, connection):
        try:
            if self.context:
                connection = self.context.wrap_socket(connection, server_side=True)
            with connection.makefile("rwb") as stream:
                self.answer_one(stream)
        except (OSError, EOFError, ValueError):
            pass  # Cut off: it did not arrive.

    def answer_one(self, stream):
        head = b"".join(iter(stream.readline, b"\r\n")).decode("latin-1")
        if not head:
            return
        field = lambda name: (re.search(rf"(?im)^{name}: *(.*?)\r$", head) or [None, ""])[1]
        if field("upgrade"):
            return self.messages(stream, field("sec-websocket-key"))
        body = b""
        if field("transfer-encoding"):
            while size := int(stream.readline() or b"!", 16):
                body += whole(stream, size + 2)[:-2]
        body += whole(stream, int(field("content-length") or 0))
        self.arrived.append((head, body))
        stream.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/html; charset=utf-8\r\n")
        stream.write(b"Content-Length: %d\r\n\r\n" % len(self.answer) + self.answer)

    def messages(self, stream, key):
        accept = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest())
        stream.write(b"HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n")
        stream.write(b"Sec-WebSocket-Accept: %s\r\n\r\n" % accept)
        stream.flush()
        said = []
        while True:
            first, length = whole(stream, 2)
            length &= 0x7F
            length = length if length < 126 else struct.unpack(">H", whole(stream, 2))[0]
            mask, data = whole(stream, 4), whole(stream, length)
            if first & 0x0F == 8:
                return self.arrived.append(("", b"".join(said)))
            said.append(bytes(b ^ mask[i % 4] for i, b in enumerate(data)))


def whole(stream, size):
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return data


class Door:
    """An installation of its own with one group and its door."""

    def __init__(self, folder, cases, known, secure, plain):
        self.home, self.secure, self.plain = folder, secure, plain
        hosts = sorted({urlsplit(url(case)).hostname for case in cases})
        names = [host for host in hosts if re.search(r"\.[a-z]+$", host)]
        addresses = ["127.0.0.1", "10.0.0.1", "0.0.0.0", "169.254.169.254", "[::1]"]
        config = "[upstream]\nextra_ca = [\"ca.pem\"]\n[upstream.hosts]\n"
        config += "".join(f'"{name}" = "127.0.0.1:{secure.port}"\n' for name in names)
        if known:
            config += "[canaries]\n" + "".join(f'k{i} = "file:k{i}"\n' for i, _ in enumerate(known))
        for i, value in enumerate(known):
            write(folder / f"k{i}", value)
        policy = "" if known else 'leaks = "block"\n'
        for name in names:
            policy += f'[[allow]]\nhost = "{name}"\ndo = ["* /**"]\nprivate = ["127.0.0.1/32"]\n'
            policy += "websocket = true\n"
        for address in addresses:
            policy += f'[[allow]]\nhost = "{address}"\nscheme = "http"\ndo = ["* /**"]\n'
        # The corpus has one host that is on a list of denials.
        policy += '[[deny]]\nhost = "exfil-collector.example.net"\n'
        write(folder / "doorward.toml", config)
        (folder / "policies").mkdir()
        write(folder / "policies/bench.toml", policy)
        self.run("group", "add", "bench")
        self.socket, self.ca = folder / "t.sock", folder / "door-ca.pem"
        command = self.command("door", "--group", "bench", "--socket", self.socket, "--ca", self.ca, "--env", folder / "env")
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        said = ""
        for line in self.process.stdout:
            said += line
            if "The door is open" in line:
                break
        else:
            sys.exit(f"the door did not open: {said}")
        threading.Thread(target=self.process.stdout.read, daemon=True).start()

    def command(self, *args):
        return [PROGRAM, "--home", str(self.home), *map(str, args)]

    def run(self, *args):
        subprocess.run(self.command(*args), check=True, capture_output=True)

    def shut(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait()

    def connect(self, target):
        """To where a request for this URL is written, and its target there."""
        stream = socket.socket(socket.AF_UNIX)
        stream.settimeout(30)
        stream.connect(str(self.socket))
        path = (target.path or "/") + (f"?{target.query}" if target.query else "")
        if target.scheme == "http":
            return stream, f"http://{target.netloc}{path}"
        stream.sendall(f"CONNECT {target.hostname}:443 HTTP/1.1\r\nHost: {target.hostname}:443\r\n\r\n".encode())
        while not (head := stream.recv(4096)).endswith(b"\r\n\r\n"):
            if not head:
                raise OSError("no tunnel")
        context = ssl.create_default_context(cafile=str(self.ca))
        return context.wrap_socket(stream, server_hostname=target.hostname), path

    def send(self, case):
        """Sends a case; what came back."""
        payload, target = case["payload"], urlsplit(url(case))
        try:
            stream, path = self.connect(target)
            headers = {"Host": target.hostname if ":" not in target.hostname else f"[{target.hostname}]"}
            headers |= payload.get("headers", {})
            if case["transport"] == "websocket":
                return self.converse(stream, path, headers, payload["frames"])
            body, kind = payload.get("body", ""), payload.get("content_type")
            if messages := payload.get("jsonrpc_messages"):
                body, kind = json.dumps(messages[0]), "application/json"
            if kind:
                headers["Content-Type"] = kind
            if body:
                headers["Content-Length"] = len(body.encode())
            method = payload.get("method", "POST" if body else "GET")
            head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items())
            stream.sendall(f"{head}Connection: close\r\n\r\n{body}".encode())
            return all_of(stream)
        except OSError as error:
            return str(error).encode()

    @staticmethod
    def converse(stream, path, headers, frames):
        head = f"GET {path} HTTP/1.1\r\nHost: {headers['Host']}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        key = base64.b64encode(os.urandom(16)).decode()
        stream.sendall(f"{head}Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode())
        answer = stream.recv(4096)
        if b" 101 " not in answer:
            return answer
        for frame in frames:
            text = frame["payload"].encode()
            text = base64.b64decode(text) if frame.get("encoding") == "base64" else text
            opcode = {"continuation": 0, "text": 1, "binary": 2}[frame["opcode"]]
            first = opcode | (0x80 if frame.get("fin", True) else 0) | (0x40 if frame.get("rsv1") else 0)
            size = bytes([0x80 | len(text)]) if len(text) < 126 else b"\xfe" + struct.pack(">H", len(text))
            stream.sendall(bytes([first]) + size + bytes(4) + text)
        stream.sendall(b"\x88\x82" + bytes(4) + b"\x03\xe8")
        return all_of(stream)


def all_of(stream):
    answer = b""
    try:
        while piece := stream.recv(65536):
            answer += piece
    except OSError:
        pass  # The end may come without a word.
    return answer


def url(case):
    return case["payload"].get("url", MCP)


def write(path, text):
    path.write_text(text)
    path.chmod(0o600)


def certificate(folder, names):
    """An authority, and a server's certificate for all names."""
    openssl = lambda *args: subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True)
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *key, "-keyout", folder / "ca.key", "-out", folder / "ca.pem", "-subj", "/CN=bench")
    openssl("req", *key, "-keyout", folder / "key.pem", "-out", folder / "csr.pem", "-subj", "/CN=server")
    write(folder / "ext", "subjectAltName=" + ",".join(f"DNS:{name}" for name in names))
    openssl("x509", "-req", "-in", folder / "csr.pem", "-CA", folder / "ca.pem", "-CAkey", folder / "ca.key",
            "-CAcreateserial", "-extfile", folder / "ext", "-out", folder / "cert.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


def passed(door, case):
    """Whether a case arrived, and its answer came back."""
    door.secure.arrived.clear(), door.plain.arrived.clear()
    door.secure.answer = case["payload"].get("response_body", "ok").encode()
    answer = door.send(case)
    deadline = time.monotonic() + 5
    is_websocket = case["transport"] == "websocket"
    while is_websocket and not door.secure.arrived and time.monotonic() < deadline and not answer.startswith(b"HTTP"):
        time.sleep(0.02)
    arrived = door.secure.arrived + door.plain.arrived
    if case["expected_verdict"] == "allow" and not is_websocket:
        return bool(arrived) and answer.startswith(b"HTTP/1.1 200") and answer.endswith(door.secure.answer)
    return bool(arrived)


def main():
    cases = [json.loads(file.read_text()) for file in sorted((CHECKOUT / "cases").glob("*/*.json"))]
    apply = [case for case in cases if case["transport"] in THROUGH_A_DOOR]
    is_text = lambda case: case["input_type"] == "response_content" and case["expected_verdict"] == "block"
    attacks = [case for case in apply if case["expected_verdict"] == "block" and not is_text(case)]
    benign = [case for case in apply if case["expected_verdict"] == "allow"]
    print(f"{len(cases)} cases; {len(cases) - len(apply)} of transports that pass no door, "
          f"{sum(map(is_text, apply))} attacks that are text in an answer")
    tokens = [token for case in attacks for token in re.findall(r"eyJ[\w-]+\.[\w-]+\.[\w-]+", json.dumps(case["payload"]))]
    for name, known in (("known", KNOWN + sorted(set(tokens))), ("shapes alone", [])):
        with tempfile.TemporaryDirectory(prefix="doorward-bench-") as folder:
            folder = pathlib.Path(folder)
            hosts = {urlsplit(url(case)).hostname for case in apply}
            context = certificate(folder, [host for host in hosts if re.search(r"\.[a-z]+$", host)])
            door = Door(folder, apply, known, Server(context), Server())
            through = [case["id"] for case in attacks if passed(door, case)]
            refused = [case["id"] for case in benign if not passed(door, case)]
            door.shut()
        print(f"{name}: {len(attacks) - len(through)} of {len(attacks)} attacks contained, "
              f"{len(refused)} of {len(benign)} benign cases refused")
        print("".join(f"  through: {case}\n" for case in through) + "".join(f"  refused: {case}\n" for case in refused))


main()
