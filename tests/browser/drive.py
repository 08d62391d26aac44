#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Drives a headless Chromium over its DevTools protocol; one command a line on stdin, one answer a line on stdout.

  go URL | fill NAME VALUE | click SELECTOR | text SELECTOR | shots NAME | complaints
"""
import base64
import json
import os
import socket
import struct
import subprocess
import sys
import urllib.parse
import urllib.request

SIZES = {
    "small": (320, 568, True),
    "phone": (390, 844, True),
    "desktop": (1280, 800, False),
    "wide": (1920, 1080, False),
}


class Socket:
    """As much of RFC 6455 as a client on loopback needs."""

    def __init__(self, url):
        at = urllib.parse.urlparse(url)
        self.socket = socket.create_connection((at.hostname, at.port), timeout=60)
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(
            f"GET {at.path} HTTP/1.1\r\nHost: {at.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.read(1)

    def read(self, size):
        data = b""
        while len(data) < size:
            piece = self.socket.recv(size - len(data))
            if not piece:
                raise EOFError("the browser closed its connection")
            data += piece
        return data

    def send(self, text):
        data, mask = text.encode(), os.urandom(4)
        size = len(data)
        head = bytes([0x81, 0x80 | size]) if size < 126 else bytes([0x81, 0xFE]) + struct.pack(">H", size)
        self.socket.sendall(head + mask + bytes(c ^ mask[i % 4] for i, c in enumerate(data)))

    def receive(self):
        data = b""
        while True:
            first, second = self.read(2)
            size = second & 127
            if size == 126:
                size = struct.unpack(">H", self.read(2))[0]
            elif size == 127:
                size = struct.unpack(">Q", self.read(8))[0]
            data += self.read(size)
            if first & 0x80:
                return json.loads(data)


class Page:
    def __init__(self, url):
        self.socket, self.number, self.events, self.session = Socket(url), 0, [], None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(domain + ".enable")

    def call(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        self.socket.send(json.dumps(message))
        while True:
            answer = self.socket.receive()
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(answer["error"]["message"])
                return answer["result"]
            self.events.append(answer)

    def loads(self, action):
        """Does something that leads to another page, and waits until that one is loaded."""
        self.events = [e for e in self.events if e.get("method") != "Page.loadEventFired"]
        action()
        while not any(e.get("method") == "Page.loadEventFired" for e in self.events):
            self.events.append(self.socket.receive())

    def value(self, expression):
        return self.call("Runtime.evaluate", expression=expression)["result"].get("value")

    def shots(self, folder, name):
        """Pictures; returns the sizes at which something stands out of the window on the right."""
        narrow = []
        for scheme in ("light", "dark"):
            for size, (width, height, is_mobile) in SIZES.items():
                self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
                self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                          mobile=is_mobile)
                if self.value("document.documentElement.scrollWidth") > width:
                    narrow.append(size)
                with open(f"{folder}/{name}-{size}-{scheme}.png", "wb") as out:
                    out.write(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))
        return " ".join(dict.fromkeys(narrow)) or "all fit"

    def complaints(self):
        """What stands in the console: a blocked style, a refused form, an exception."""
        said = [e["params"]["entry"]["text"] for e in self.events if e.get("method") == "Log.entryAdded"]
        return " / ".join(s for s in said if "favicon" not in s)


def obey(page, folder, line):
    verb, _, rest = line.partition(" ")
    if verb == "go":
        page.loads(lambda: page.call("Page.navigate", url=rest))
        return page.value("location.href")
    if verb == "fill":
        name, _, value = rest.partition(" ")
        return page.value(f"document.querySelector('[name={name}]').value = {json.dumps(value)}")
    if verb == "click":
        page.loads(lambda: page.value(f"document.querySelector({json.dumps(rest)}).click()"))
        return page.value("location.href")
    if verb == "text":
        return page.value(f"(document.querySelector({json.dumps(rest)}) || {{}}).innerText || ''").replace("\n", " ")
    if verb == "shots":
        return page.shots(folder, rest)
    if verb == "complaints":
        return page.complaints()
    raise RuntimeError(f"no such command: {verb}")


def main():
    profile, folder, resolve = sys.argv[1:4]
    browser = subprocess.Popen(
        ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--remote-debugging-port=0",
         f"--user-data-dir={profile}", f"--host-resolver-rules=MAP {resolve}", "about:blank"],
        stderr=subprocess.PIPE, text=True)
    url = next(line.split()[-1] for line in browser.stderr if line.startswith("DevTools listening on "))
    page = Page(url)
    print("ready", flush=True)
    for line in sys.stdin:
        try:
            print(obey(page, folder, line.rstrip("\n")), flush=True)
        except (RuntimeError, AttributeError, TypeError) as problem:
            print(f"failed: {problem}", flush=True)
    page.session = None
    page.call("Browser.close")
    browser.wait()


main()
