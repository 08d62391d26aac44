# SPDX-License-Identifier: Apache-2.0
"""Clients as there are, spoken by hand: what each sends, and what it needs of the answer. TAP on stdout.

  clients.py VIP SOURCE OTHER_SOURCE CA     alice, s3cret-word; no group has to be picked
"""
import re
import select
import socket
import ssl
import sys

VIP, SOURCE, OTHER, CA = sys.argv[1:5]
HOST = "vpn.example.net"
OPENCONNECT = "AnyConnect-compatible OpenConnect VPN Agent v9.01"
WINDOWS = "AnyConnect Windows 4.10.07061"
PATIENCE = 20
problems = []


def say(is_good, sentence, *seen):
    print(("ok - " if is_good else "not ok - ") + sentence, flush=True)
    if not is_good:
        problems.append(sentence)
        for line in seen:
            print(f"#   {line!r}", flush=True)


def connect(source=SOURCE, versions=None, ciphers=None):
    context = ssl.create_default_context(cafile=CA)
    if versions:
        context.minimum_version, context.maximum_version = versions
    if ciphers:
        context.set_ciphers(ciphers)
    plain = socket.create_connection((VIP, 443), PATIENCE, (source, 0))
    return context.wrap_socket(plain, server_hostname=HOST)


class Answer:
    """Status, headers as (name, value), and the body."""

    def __init__(self, s):
        data = b""
        while b"\r\n\r\n" not in data:
            piece = s.recv(65536)
            if not piece:
                break
            data += piece
        head, _, self.body = data.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        self.line = lines[0]
        self.status = int(self.line.split(" ")[1]) if self.line.startswith("HTTP/1.1 ") else 0
        self.headers = [tuple(line.split(": ", 1)) for line in lines[1:]]
        length = int(self.one("Content-Length") or 0)
        while len(self.body) < length:
            piece = s.recv(65536)
            if not piece:
                break
            self.body += piece
        self.text = self.body.decode("utf-8", "replace")

    def all(self, name):
        return [value for key, value in self.headers if key == name]

    def one(self, name):
        values = self.all(name)
        return values[0] if len(values) == 1 else None

    def cookie(self, name="webvpn"):
        for value in self.all("Set-Cookie"):
            if value.startswith(name + "="):
                return value.split(";")[0].split("=", 1)[1]
        return ""

    def __repr__(self):
        return f"{self.line} {self.headers} {self.text[:600]}"


def request(s, line, headers=(), body=b""):
    lines = [line] + [f"{name}: {value}" for name, value in headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    s.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
    return Answer(s)


def xml(kind, inside):
    return (f'<?xml version="1.0" encoding="UTF-8"?>\n<config-auth client="vpn" type="{kind}" '
            f'aggregate-auth-version="2">\n{inside}</config-auth>').encode()


def aggregate(agent):
    return [("Host", HOST), ("Cache-Control", "no-store"), ("Pragma", "no-cache"), ("Accept", "*/*"),
            ("Accept-Encoding", "identity"), ("User-Agent", agent), ("Connection", "Keep-Alive"),
            ("X-Transcend-Version", "1"), ("X-Aggregate-Auth", "1"), ("X-Support-HTTP-Auth", "true"),
            ("X-AnyConnect-STRAP-Pubkey", "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE"),
            ("Content-Type", "application/xml; charset=utf-8")]


CISCO = """<version who="vpn">4.10.07061</version>
<device-id computer-name="PC" device-type="LENOVO 20XW" platform-version="10.0.19045 #Service Pack 0" unique-id="AB12">win</device-id>
<mac-address-list><mac-address public-interface="true">00-11-22-33-44-55</mac-address></mac-address-list>
"""


def login(agent=OPENCONNECT):
    """Both rounds, as Cisco's own does them: asks first, and brings back what it was given."""
    with connect() as s:
        form = request(s, "POST / HTTP/1.1", aggregate(agent), xml(
            "init", CISCO + f"<group-access>https://{HOST}/</group-access>\n<capabilities>\n"
            "<auth-method>single-sign-on-v2</auth-method><auth-method>single-sign-on-external-browser</auth-method>\n"
            "</capabilities>\n"))
        action = re.search(r'action="([^"]*)"', form.text)
        opaque = re.search(r"<opaque.*?</opaque>\n?", form.text, re.S)
        done = request(s, f"POST {action.group(1) if action else '/'} HTTP/1.1", aggregate(agent), xml(
            "auth-reply", CISCO + "<session-token/><session-id/>" + (opaque.group(0) if opaque else "") +
            "<auth><username>alice</username><password>s3cret-word</password></auth>\n"))
    return form, done


def tunnel(cookie, headers=(), source=SOURCE, line="CONNECT /CSCOSSLC/tunnel HTTP/1.1", **tls):
    """A connection after CONNECT, and the answer."""
    s = connect(source, **tls)
    asked = [("Host", HOST), ("Cookie", f"webvpn={cookie}"), ("X-CSTP-Version", "1")]
    named = {name.lower() for name, _ in headers}
    return s, request(s, line, [h for h in asked if h[0].lower() not in named] + list(headers))


def frame(kind, payload=b""):
    return b"STF\x01" + len(payload).to_bytes(2, "big") + bytes([kind, 0]) + payload


def frames(s):
    """Until the other end ends it: the kinds that came."""
    kinds = []
    try:
        while data := s.recv(65536):
            kinds.append(data[6])
    except OSError:
        pass
    return kinds


def is_alive(s):
    s.sendall(frame(3, b"ping"))
    return s.recv(65536) == frame(4, b"ping")


def serves(sentence, cookie, address, headers=(), **more):
    s, answer = tunnel(cookie, headers, **more)
    with s:
        say(answer.status == 200 and answer.one("X-CSTP-Address") == address and is_alive(s), sentence, answer)
    return answer


def logins():
    cookie = ""
    for agent in (WINDOWS, "AnyConnect Windows 3.1.14018", "AnyConnect Darwin_i386 5.1.2.42", "AnyConnect Linux_64 4.9.06037",
                  "AnyConnect AppleSSLVPN_Darwin_ARM (iPhone) 4.10.05111", "AnyConnect Android 4.10.05095",
                  "Cisco AnyConnect VPN Agent for Windows 3.0.11042", OPENCONNECT):
        form, done = login(agent)
        say(form.status == 200 and 'type="auth-request"' in form.text and '<auth id="main">' in form.text and
            form.one("Content-Type").startswith("text/xml"), f"{agent}: is asked who it is", form)
        cookie = done.cookie()
        say(done.status == 200 and 'type="complete"' in done.text and '<auth id="success">' in done.text and
            f"<session-token>{cookie}</session-token>" in done.text and len(cookie) == 64,
            f"{agent}: is logged in", done)
        say(done.cookie("webvpncontext") != "" and "sh:" in done.cookie("webvpnc"), f"{agent}: has its other cookies", done)
    return cookie


def old_login():
    agent = [("Host", HOST), ("User-Agent", "AnyConnect Windows 2.5.6005"), ("Accept-Encoding", "gzip, deflate")]
    with connect() as s:
        form = request(s, "GET / HTTP/1.1", agent)
        say(form.status == 200 and "<form" in form.text and "config-auth" not in form.text, "a client of before gets a form", form)
        action = re.search(r'action="([^"]*)"', form.text).group(1)
        done = request(s, f"POST {action} HTTP/1.1",
                       agent + [("Content-Type", "application/x-www-form-urlencoded"), ("Cookie", "webvpnlogin=1; tg=0YWJj")],
                       b"username=alice&password=s3cret%2Dword&group_list=&Login=Login")
        say(done.status == 200 and len(done.cookie()) == 64 and '<auth id="success">' in done.text,
            "and is logged in by it", done)
    with connect() as s:
        body = b"5\r\nusern\r\n22\r\name=alice&password=s3cret-word&x=1\r\n0\r\n\r\n"
        s.sendall(("POST /auth HTTP/1.1\r\n" + "".join(f"{n}: {v}\r\n" for n, v in agent) +
                   "Content-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\n").encode() + body)
        done = Answer(s)
        say(done.status == 200 and len(done.cookie()) == 64, "also in chunks", done)


def files(cookie):
    paths = ["/VPNManifest.xml", "/1/Linux_64", "/1/Windows", "/1/Windows_ARM64", "/1/Darwin_i386", "/1/binaries/update.txt",
             "/1/binaries/vpndownloader.sh", "/+CSCOT+/translation-table?textdomain=AnyConnect&type=manifest",
             "/+CSCOT+/oem-customization?app=AnyConnect&type=oem&platform=win&resource-type=binary&name=a.bmp",
             "/profiles/asafo.xml"]
    with connect() as s:
        for path in paths:
            answer = request(s, f"GET {path} HTTP/1.1", [("Host", HOST), ("User-Agent", WINDOWS), ("Cookie", f"webvpn={cookie}")])
            say(answer.status == 200, f"what a client fetches behind its login: {path}", answer)


def connects(cookie):
    s, first = tunnel(cookie, [("User-Agent", WINDOWS)])
    address = first.one("X-CSTP-Address")
    with s:
        say(first.line.startswith("HTTP/1.1 200 ") and is_alive(s), "CONNECT", first)
        needed = ("X-CSTP-Version", "X-CSTP-Address", "X-CSTP-Netmask", "X-CSTP-MTU", "X-CSTP-DPD", "X-CSTP-Keepalive",
                  "X-CSTP-Idle-Timeout", "X-CSTP-Session-Timeout", "X-CSTP-Session-Timeout-Remaining", "X-CSTP-Rekey-Time",
                  "X-CSTP-Rekey-Method", "X-CSTP-Disconnected-Timeout", "X-CSTP-Keep", "X-CSTP-TCP-Keepalive",
                  "X-CSTP-License", "X-CSTP-Tunnel-All-DNS")
        missing = [name for name in needed if first.one(name) is None]
        say(not missing, "the answer has, once each, what clients need", missing, first)
    answer = serves("names of headers in lower case", cookie, address,
                    [("cookie", f"webvpn={cookie}"), ("x-cstp-version", "1"), ("x-cstp-mtu", "1300"),
                     ("x-cstp-address-type", "IPv6,IPv4"), ("user-agent", WINDOWS)])
    say(answer.one("X-CSTP-MTU") == "1300", "are heard", answer)
    serves("the target in absolute form", cookie, address, line=f"CONNECT https://{HOST}/CSCOSSLC/tunnel HTTP/1.1")
    serves("CONNECT by HTTP/1.0", cookie, address, line="CONNECT /CSCOSSLC/tunnel HTTP/1.0")
    serves("other cookies around it", cookie, address,
           [("Cookie", f"webvpnlogin=1; webvpncontext=00@asafo; webvpn={cookie}; webvpnc=bu:/&p:t&iu:1/&sh:AA=; webvpnx="),])
    serves("cookies without blanks, and an end", cookie, address, [("Cookie", f"a=b;webvpn={cookie};")])
    serves("its cookie in quotes (RFC 6265)", cookie, address, [("Cookie", f'a="b"; webvpn="{cookie}"')])
    s = connect()
    with s:
        answer = request(s, "CONNECT /CSCOSSLC/tunnel HTTP/1.1", [("Host", HOST), ("Cookie", "a=b"), ("Cookie", f"webvpn={cookie}")])
        say(answer.status == 200 and answer.one("X-CSTP-Address") == address, "cookies in two headers", answer)
    answer = serves("compression, an old address and a master secret of old DTLS", cookie, address, [
        ("X-CSTP-Accept-Encoding", "lzs,deflate"), ("X-DTLS-Accept-Encoding", "lzs"), ("X-CSTP-Protocol", "Copyright (c) 2004 Cisco"),
        ("X-CSTP-Address", address), ("X-CSTP-Hostname", "pc"), ("X-CSTP-Full-IPv6-Capability", "true"),
        ("X-DTLS-Master-Secret", "AB" * 48), ("X-DTLS-CipherSuite", "AES256-GCM-SHA384:AES128-SHA:DES-CBC3-SHA"),
        ("X-DTLS12-CipherSuite", "ECDHE-RSA-AES256-GCM-SHA384:AES256-GCM-SHA384"), ("User-Agent", WINDOWS)])
    names = [name for name, _ in answer.headers]
    say(not [n for n in names if n.startswith("X-DTLS") or n.endswith("Encoding")], "are not answered with what is not there", answer)
    for platform, dpd in (("apple-ios", "60"), ("android", "60"), ("win", "10")):
        answer = serves(f"a client on {platform}", cookie, address, [("X-AnyConnect-Identifier-Platform", platform)])
        say(answer.one("X-CSTP-DPD") == dpd, f"is asked each {dpd} s whether it is there", answer)
    return address


def refusals(cookie):
    for name, head in (
            ("a folded header", f"Cookie: webvpn={cookie}\r\nX-CSTP-Hostname: a\r\n b\r\n"),
            ("white space in front of a colon", f"Cookie : webvpn={cookie}\r\n"),
            ("two names of a host", f"Host: other.example\r\nCookie: webvpn={cookie}\r\n")):
        with connect() as s:
            s.sendall(f"CONNECT /CSCOSSLC/tunnel HTTP/1.1\r\nHost: {HOST}\r\n{head}\r\n".encode())
            answer = Answer(s)
            say(answer.status == 400 and answer.one("Connection") == "close", f"{name}: 400", answer)
    for name, value in (("no cookie", ""), ("another one", "webvpn=" + "0" * 64), ("two that differ", f"webvpn={cookie}; webvpn=" + "0" * 64),
                        ("one quote", f'webvpn="{cookie}'), ("its end is cut off", f"webvpn={cookie[:-1]}")):
        s, answer = tunnel(cookie, [("Cookie", value or "a=b")])
        s.close()
        say(answer.status == 401 and answer.one("X-Reason"), f"{name}: 401 with a reason", answer)


def versions(cookie, address):
    v12 = (ssl.TLSVersion.TLSv1_2,) * 2
    answer = serves("TLS 1.2", cookie, address, versions=v12, ciphers="ECDHE+AESGCM")
    say(answer.one("X-CSTP-Rekey-Method") == "new-tunnel", "makes its keys anew by a new tunnel", answer)
    answer = serves("TLS 1.3", cookie, address, versions=(ssl.TLSVersion.TLSv1_3,) * 2)
    say(answer.one("X-CSTP-Rekey-Method") == "ssl" and answer.one("X-CSTP-Rekey-Time") == "31536000",
        "is never told \"none\", which Cisco Secure Client refuses", answer)
    for ciphers in ("DHE+AES:!AESGCM:@SECLEVEL=0", "ECDHE+AES:!AESGCM:!AESCCM:@SECLEVEL=0", "kRSA+AES:@SECLEVEL=0"):
        try:
            connect(versions=v12, ciphers=ciphers).close()
            said = "a handshake"
        except ssl.SSLError as error:
            said = str(error)
        say("HANDSHAKE_FAILURE" in said.upper(), f"TLS 1.2 with {ciphers.split(':')[0]} only: refused with its alert", said)


def moves(cookie, address):
    first, answer = tunnel(cookie, [("X-CSTP-Address", address)])
    say(answer.status == 200 and is_alive(first), "(a tunnel is up)", answer)
    second, answer = tunnel(cookie, [("X-CSTP-Address", address)], source=OTHER)
    say(answer.status == 200 and answer.one("X-CSTP-Address") == address and is_alive(second),
        "the client has another address and connects anew: the same session", answer)
    say(5 not in (kinds := frames(first)) and 9 not in kinds, "the connection before hears no DISCONNECT", kinds)
    first.close()
    second.sendall(frame(8, b"\x00\x01\x02\x03"))
    say(not {5, 9} & set(kinds := frames(second)), "a compressed frame, which nobody offered, ends the connection", kinds)
    second.close()
    serves("and not the session", cookie, address)
    for reason, sentence in ((0x91, "\"reconnecting\" keeps the session"), (0xd1, "\"paused\" does, too")):
        s, _ = tunnel(cookie)
        s.sendall(frame(5, bytes([reason]) + b"x"))
        frames(s)
        s.close()
        serves(sentence, cookie, address)


def is_over(cookie):
    s, answer = tunnel(cookie)
    s.close()
    return answer.status == 401


def ends():
    cookie = login()[1].cookie()
    s, _ = tunnel(cookie)
    s.sendall(frame(5, b"\xb0user quit"))
    frames(s)
    s.close()
    say(is_over(cookie), "\"quit\" ends the session")
    cookie = login()[1].cookie()
    with connect() as s:
        answer = request(s, "POST / HTTP/1.1", aggregate(WINDOWS) + [("Cookie", f"webvpn={cookie}")],
                         xml("logout", CISCO + f"<session-token>{cookie}</session-token><logout-reason>user</logout-reason>\n"))
    say(answer.status == 200 and 'type="complete"' in answer.text and is_over(cookie), "config-auth's logout ends it", answer)
    cookie = login()[1].cookie()
    with connect() as s:
        answer = request(s, "GET /logout HTTP/1.1", [("Host", HOST), ("User-Agent", OPENCONNECT), ("Cookie", f"webvpn={cookie}")])
    say(answer.status == 200 and is_over(cookie), "OpenConnect's logout ends it", answer)


def waits(cookie, address):
    """One that asks for its tunnel on a connection that has been open for a while, among other requests."""
    with connect() as s:
        for _ in range(3):
            request(s, "GET /healthz HTTP/1.1", [("Host", HOST)])
        select.select([s], [], [], 3)
        answer = request(s, "CONNECT /CSCOSSLC/tunnel HTTP/1.1", [("Host", HOST), ("Cookie", f"webvpn={cookie}")])
        say(answer.status == 200 and answer.one("X-CSTP-Address") == address and is_alive(s), "CONNECT behind other requests", answer)


def main():
    cookie = logins()
    old_login()
    files(cookie)
    address = connects(cookie)
    refusals(cookie)
    versions(cookie, address)
    moves(cookie, address)
    waits(cookie, address)
    ends()
    sys.exit(bool(problems))


main()
