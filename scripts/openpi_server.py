"""A stand-in for openpi's policy server: its protocol on the packages that it uses, with a policy that stays put.

python3 scripts/openpi_server.py [--host ADDRESS] [--port PORT] [--token TOKEN]

Needs openpi-client, typing_extensions and websockets. Prints one line of JSON with its port when it is ready.
"""
import argparse
import asyncio
import http
import json
import time
import traceback

import numpy as np
import websockets
from openpi_client import msgpack_numpy
from websockets.asyncio.server import serve

ROWS = 50
CLOSE_REASON = "Internal server error. Traceback included in previous frame."


def infer(observation):
    started = time.monotonic()
    for keys in [("state",), ("observation/state",), ("observation/joint_position", "observation/gripper_position")]:
        if keys[0] in observation:
            state = np.concatenate([np.atleast_1d(observation[key]) for key in keys])
            actions = np.tile(state.astype(np.float64), (ROWS, 1))
            return {"actions": actions, "policy_timing": {"infer_ms": (time.monotonic() - started) * 1000}}
    raise KeyError("state")


async def converse(connection):
    packer = msgpack_numpy.Packer()
    await connection.send(packer.pack({"reset_pose": [0, -1.5, 1.5, 0, 0, 0]}))
    previous_s = None
    while True:
        try:
            # As in openpi, before the wait for the request: prev_total_ms counts the client's pause, too.
            started = time.monotonic()
            observation = msgpack_numpy.unpackb(await connection.recv())
            received = time.monotonic()
            reply = infer(observation)
            reply["server_timing"] = {"infer_ms": (time.monotonic() - received) * 1000}
            if previous_s is not None:
                reply["server_timing"]["prev_total_ms"] = previous_s * 1000
            await connection.send(packer.pack(reply))
            previous_s = time.monotonic() - started
        except websockets.ConnectionClosed:
            return
        except Exception:
            await connection.send(traceback.format_exc())
            await connection.close(code=1011, reason=CLOSE_REASON)
            return


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--token")
    options = parser.parse_args()

    def answer_page(connection, request):
        if request.path == "/healthz":
            return connection.respond(http.HTTPStatus.OK, "OK\n")
        # openpi itself ignores the key; what stands in front of it in a cloud does not.
        if options.token is not None and request.headers.get("Authorization") != f"Api-Key {options.token}":
            return connection.respond(http.HTTPStatus.UNAUTHORIZED, "wrong key\n")
        return None

    serving = serve(
        converse, options.host, options.port, compression=None, max_size=None, process_request=answer_page
    )
    async with serving as server:
        print(json.dumps({"event": "ready", "port": server.sockets[0].getsockname()[1]}), flush=True)
        await server.serve_forever()


asyncio.run(main())
