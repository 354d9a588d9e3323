"""openpi's own client against a server of openpi's protocol, measured. Started by bench_wan.ts.

python3 scripts/openpi_bench.py HOST PORT [--requests N] [--rounds N] [--cameras N]

Prints one line of JSON: times in ms of connecting (with the server's metadata), of the first request on each connection,
and of the others after three that are thrown away.
"""
import argparse
import json
import time

import numpy as np
from openpi_client.websocket_client_policy import WebsocketClientPolicy

CAMERAS = ["cam_high", "cam_low", "cam_left_wrist", "cam_right_wrist"]
WARM_UP = 3

parser = argparse.ArgumentParser()
parser.add_argument("host")
parser.add_argument("port", type=int)
parser.add_argument("--requests", type=int, default=40)
parser.add_argument("--rounds", type=int, default=2)
parser.add_argument("--cameras", type=int, default=1)
options = parser.parse_args()
random = np.random.default_rng(0)


def ms_since(started):
    return (time.perf_counter() - started) * 1000


connects, firsts, steady = [], [], []
for _ in range(options.rounds):
    started = time.perf_counter()
    policy = WebsocketClientPolicy(options.host, options.port)
    connects.append(ms_since(started))
    for index in range(1 + WARM_UP + options.requests // options.rounds):
        images = {name: random.integers(0, 256, (3, 224, 224), dtype=np.uint8) for name in CAMERAS[: options.cameras]}
        observation = {"images": images, "state": random.uniform(-1, 1, 14), "prompt": "Transfer cube"}
        started = time.perf_counter()
        policy.infer(observation)
        took = ms_since(started)
        if index == 0:
            firsts.append(took)
        elif index > WARM_UP:
            steady.append(took)
    # openpi's client has no way to close its connection; the next one takes its place.
print(json.dumps({"connects": connects, "firsts": firsts, "steady": steady}))
