#!/usr/bin/env python3
"""Makes the remote-read-*.hex beside this file: what Debian's Prometheus answers to a read of the series below.

    python3 -m venv venv && venv/bin/pip install python-snappy && venv/bin/python make-remote-read.py
"""
import os
import random
import struct
import subprocess
import tempfile
import time
import urllib.request

import snappy

BASE = 1_700_000_000_000


def varint(value):
    value &= (1 << 64) - 1
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def number(field, value):
    return varint(field << 3) + varint(value)


def data(field, value):
    return varint(field << 3 | 2) + varint(len(value)) + value


def double(field, bits):
    return varint(field << 3 | 1) + struct.pack("<Q", bits)


def bits(value):
    return struct.unpack("<Q", struct.pack("<d", value))[0]


def series():
    """(labels, [(time, bits of the value)]); every way in which times and values may follow each other."""
    draw = random.Random(7)
    samples = []
    at, delta, value = BASE, 40_000, 10.0
    for index in range(110):
        samples.append((at, bits(value)))
        delta = max(1, delta + draw.choice([0, 0, 0, 1, -1, 8_192, -8_191, 9_000, 65_536, -60_000, 70_000]))
        # All within the two hours, and as slow from the start, that Prometheus gives one chunk.
        if delta > 60_000 or delta < 100:
            delta = 40_000
        if index == 50:
            delta = 600_000
        at += delta
        value = draw.choice([value, value + 1, -value, value * 1.1, draw.random(), float("inf"), 1e-300, 0.0])
        if value != value or abs(value) == float("inf") and index % 2:
            value = 3.0
        if value == 0:
            value = 0.0  # of zeros below zero the unstreamed answer of Prometheus loses the sign
    samples.append((at + 1, 0x7FF0000000000002))
    return [
        ([("__name__", "level"), ("job", "a"), ("zone", "☃")], samples),
        ([("__name__", "level"), ("job", "b")], [(BASE + 5, bits(1.5))]),
        ([("__name__", "level"), ("job", "b"), ("zone", "y")], [(BASE, bits(2.5)), (BASE + 1000, bits(-2.5))]),
        ([("__name__", "other")], [(BASE, bits(1.0))]),
    ]


def write_request():
    body = b""
    for labels, samples in series():
        entry = b"".join(data(1, data(1, n.encode()) + data(2, v.encode())) for n, v in labels)
        entry += b"".join(data(2, double(1, v) + number(2, t)) for t, v in samples)
        body += data(1, entry)
    return body


def read_request(kinds):
    matchers = data(3, data(2, b"__name__") + data(3, b"level")) + data(
        3, number(1, 2) + data(2, b"job") + data(3, b"a|b"))
    query = number(1, BASE) + number(2, BASE + 7_000_000) + matchers
    hints = data(4, number(1, 60_000) + data(2, b"rate") + number(3, BASE) + number(4, BASE + 7_000_000))
    nothing = number(1, BASE) + number(2, BASE + 1) + data(3, data(2, b"__name__") + data(3, b"absent"))
    return data(1, nothing) + data(1, query + hints) + data(2, b"".join(varint(kind) for kind in kinds))


def save(name, body):
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), name + ".hex"), "w") as file:
        text = body.hex()
        file.write("\n".join(text[at : at + 120] for at in range(0, len(text), 120)) + "\n")


def post(path, body, **headers):
    request = urllib.request.Request(f"http://127.0.0.1:19599{path}", data=snappy.compress(body), method="POST")
    for key, value in headers.items():
        request.add_header(key.replace("_", "-"), value)
    with urllib.request.urlopen(request) as answer:
        return answer.read()


def main():
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/prometheus.yml", "w") as file:
            file.write("global: {}\n")
        process = subprocess.Popen([
            "prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
            "--storage.tsdb.retention.time=100y", "--web.listen-address=127.0.0.1:19599",
            "--web.enable-remote-write-receiver", "--log.level=error"])
        try:
            for _ in range(100):
                try:
                    urllib.request.urlopen("http://127.0.0.1:19599/-/ready")
                    break
                except OSError:
                    time.sleep(0.2)
            post("/api/v1/write", write_request(), Content_Type="application/x-protobuf", Content_Encoding="snappy")
            save("remote-read-request", read_request([1, 0]))
            save("remote-read-chunks", post("/api/v1/read", read_request([1, 0])))
            save("remote-read-samples", snappy.decompress(post("/api/v1/read", read_request([0]))))
            save("remote-read-stored", write_request())
        finally:
            process.kill()


main()
