"""Unmodified openpi clients against a server whose policy answers with the state. Started by interop.ts.

python3 scripts/interop_client.py SCENARIO PORT [--token TOKEN] [--metadata JSON]

Prints a line for each check, with tabs between verdict, name and reason, which interop.ts counts. A line that begins
with `> ` asks interop.ts to do something, and waits for a line in return.
"""
import argparse
import concurrent.futures
import contextlib
import json

import numpy as np
import websockets
from openpi_client.action_chunk_broker import ActionChunkBroker
from openpi_client.websocket_client_policy import WebsocketClientPolicy

# Less than the 30 s for which a pi0 that forwards looks for a lost server: an error "at once" must not wait for that.
ANSWER_LIMIT_S = 20

parser = argparse.ArgumentParser()
parser.add_argument("scenario")
parser.add_argument("port", type=int)
parser.add_argument("--token")
parser.add_argument("--metadata", type=json.loads, default={})
options = parser.parse_args()
random = np.random.default_rng(0)
threads = concurrent.futures.ThreadPoolExecutor()


@contextlib.contextmanager
def check(name):
    try:
        yield
        print(f"ok\t{name}", flush=True)
    except Exception as error:
        why = f"{type(error).__name__}: {error}".strip().replace("\n", " / ")
        print(f"FAILED\t{name}\t{why}", flush=True)


def expect(condition, otherwise):
    if not condition:
        raise AssertionError(otherwise)


def tell(action):
    print(f"> {action}", flush=True)
    input()


def connect(token=options.token):
    return WebsocketClientPolicy("127.0.0.1", options.port, api_key=token)


def picture(*shape):
    return random.integers(0, 256, shape, dtype=np.uint8)


def aloha(state=None, prompt=None):
    state = random.uniform(-1, 1, 14) if state is None else state
    images = {"cam_high": picture(3, 224, 224), "cam_left_wrist": picture(3, 48, 64)}
    return {"state": state, "images": images, **({} if prompt is None else {"prompt": prompt})}


def expect_rows(actions, row, shape):
    expect(actions.dtype == np.float64, f"actions are {actions.dtype}")
    expect(actions.shape == shape, f"actions are {actions.shape}, not {shape}")
    expect((actions == row).all(), f"row 0 is {actions[0]}, not {row}")


def expect_state(reply, state):
    expect_rows(reply["actions"], np.asarray(state, np.float64), (50, 14))


def infer_aloha():
    client = connect()
    with check("the metadata come first"):
        expect(client.get_server_metadata() == options.metadata, f"found {client.get_server_metadata()}")
    for dtype in (np.float64, np.float32):
        for prompt in (None, "Transfer cube"):
            with check(f"a {dtype.__name__} state, {'no' if prompt is None else 'a'} prompt: every row is the state"):
                state = random.uniform(-1, 1, 14).astype(dtype)
                expect_state(client.infer(aloha(state, prompt)), state)
    client = connect()
    with check("a reply has actions, policy_timing and server_timing, and prev_total_ms from the second on"):
        for count, keys in enumerate([{"infer_ms"}, {"infer_ms", "prev_total_ms"}, {"infer_ms", "prev_total_ms"}]):
            reply = client.infer(aloha())
            expect(set(reply) == {"actions", "policy_timing", "server_timing"}, f"keys {set(reply)}")
            expect(set(reply["policy_timing"]) == {"infer_ms"}, f"policy_timing {reply['policy_timing']}")
            expect(set(reply["server_timing"]) == keys, f"server_timing of reply {count}: {reply['server_timing']}")
            for value in [*reply["policy_timing"].values(), *reply["server_timing"].values()]:
                expect(isinstance(value, float) and value >= 0, f"a time of {value!r}")
    with check("openpi's ActionChunkBroker takes the chunk row by row"):
        state = random.uniform(-1, 1, 14)
        broker = ActionChunkBroker(client, action_horizon=10)
        for _ in range(11):
            row = broker.infer(aloha(state))["actions"]
            expect((row == state).all(), f"row {row}, not {state}")


def refuse_token():
    for name, token in (("a wrong", "wrong"), ("no", None)):
        with check(f"{name} token is refused in the handshake"):
            try:
                connect(token)
            except websockets.exceptions.InvalidStatus as error:
                expect(error.response.status_code == 401, f"status {error.response.status_code}")
            else:
                raise AssertionError("the client was let in")


def fail():
    client = connect()
    with check("a state of 13 raises with pi0's words"):
        try:
            client.infer(aloha(np.zeros(13)))
        except RuntimeError as error:
            for words in ("Error in inference server", '"state" (wrong_shape)', "found [13]", "expected [14]"):
                expect(words in str(error), f"no {words} in: {error}")
        else:
            raise AssertionError("it was answered")
    with check("the connection is closed with 1011 after that"):
        try:
            client.infer(aloha())
        except websockets.exceptions.ConnectionClosed as error:
            expect(error.rcvd is not None and error.rcvd.code == 1011, f"closed with {error}")
        else:
            raise AssertionError("it was answered")
    with check("a new connection works"):
        state = random.uniform(-1, 1, 14)
        expect_state(connect().infer(aloha(state)), state)


def infer_droid():
    client = connect()
    for gripper in (random.uniform(0, 1, 1), np.float64(0.25), np.float32(0.75)):
        with check(f"droid's keys, the gripper as {type(gripper).__name__}: every row is the state"):
            joints = random.uniform(-1, 1, 7)
            reply = client.infer({
                "observation/exterior_image_1_left": picture(224, 224, 3),
                "observation/wrist_image_left": picture(224, 224, 3),
                "observation/joint_position": joints,
                "observation/gripper_position": gripper,
                "prompt": "put the marker into the cup",
            })
            expect_rows(reply["actions"], np.append(joints, gripper), (15, 8))


def infer_libero():
    client = connect()
    with check("libero's keys: every row is the state's first seven numbers"):
        state = random.uniform(-1, 1, 8)
        images = {"observation/image": picture(224, 224, 3), "observation/wrist_image": picture(224, 224, 3)}
        reply = client.infer({**images, "observation/state": state, "prompt": "open the drawer"})
        expect_rows(reply["actions"], state[:7], (10, 7))


def lose_upstream():
    """States number the requests, so that an answer to another request is seen."""
    numbers = iter(range(1, 100))

    def ask(client):
        # A third is no float32.
        state = np.full(14, next(numbers) + 1 / 3)
        pending = threads.submit(client.infer, aloha(state))

        def answer():
            expect_state(pending.result(ANSWER_LIMIT_S), state)

        return pending, answer

    client = connect()
    with check("a float64 state passes the forwarder unchanged"):
        for _ in range(3):
            ask(client)[1]()
    with check("an upstream that comes back between two requests is not noticed"):
        tell("kill")
        tell("start")
        for _ in range(3):
            ask(client)[1]()
    with check("a request while the upstream is away is answered when it is back"):
        tell("kill")
        answer = ask(client)[1]
        tell("start")
        answer()
        ask(client)[1]()
    with check("an upstream that dies while it computes is an error at once"):
        tell("kill")
        tell("start slow")
        pending = ask(client)[0]
        tell("kill while it computes")
        error = pending.exception(ANSWER_LIMIT_S)
        expect(isinstance(error, RuntimeError), f"found {error!r}")
        expect("policy failed" in str(error), f"found {error}")
    with check("after that it works again, and no reply is late"):
        tell("start")
        client = connect()
        for _ in range(5):
            ask(client)[1]()


scenarios = {
    "aloha": infer_aloha,
    "token": refuse_token,
    "error": fail,
    "droid": infer_droid,
    "libero": infer_libero,
    "upstream": lose_upstream,
}
scenarios[options.scenario]()
