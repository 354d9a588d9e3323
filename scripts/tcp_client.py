"""Asks pi0's tcp portal for actions, from src/wire/PROTOCOL.md alone: needs `pip install msgpack`, and no other package.

python3 scripts/tcp_client.py HOST PORT [--token TOKEN]
"""
import argparse
import json
import os
import random
import socket
import struct

import msgpack


def frame(message):
    return struct.pack(">I", len(message)) + message


def receive(connection, count):
    data = b""
    while len(data) < count:
        part = connection.recv(count - len(data))
        if part == b"":
            raise SystemExit("the server closed the connection")
        data += part
    return data


def ask(connection, request, before=b""):
    connection.sendall(before + frame(msgpack.packb(request)))
    (length,) = struct.unpack(">I", receive(connection, 4))
    return msgpack.unpackb(receive(connection, length))


parser = argparse.ArgumentParser()
parser.add_argument("host")
parser.add_argument("port", type=int)
parser.add_argument("--token")
options = parser.parse_args()
introduction = {"pi0": 1, "client": "tcp_client.py", **({"token": options.token} if options.token else {})}
state = struct.pack("<14f", *(random.uniform(-1, 1) for _ in range(14)))
observation = {"cam_high": os.urandom(3 * 224 * 224), "state": state, "prompt": "transfer cube"}
with socket.create_connection((options.host, options.port), timeout=10) as connection:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    first = ask(connection, {"info": True}, before=frame(json.dumps(introduction).encode()))
    if "error" in first:
        raise SystemExit(f"error {first['error']['code']}: {first['error']['message']}")
    for request in [observation, {**observation, "state": state[:52]}, observation]:
        reply = ask(connection, request)
        if "error" in reply:
            print("error", reply["error"]["code"])
        else:
            dim = first["info"]["actionDim"]
            print("action", (len(reply["action"]) // (4 * dim), dim), "inference_ms", reply["inference_ms"])
