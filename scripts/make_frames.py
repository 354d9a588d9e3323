"""Makes src/robot/frames from a folder with renders of the simulation: python3 scripts/make_frames.py RENDERS_DIR

Copies the 14 pictures of the top camera (224x224, PNG) and writes frames.json with the joint state of each.
"""
import json
import pathlib
import shutil
import sys

OPEN, CLOSED = 0.058, 0.01844  # gripper joint in metres, from gym-aloha's constants


def normalised(metres):
    return (metres - CLOSED) / (OPEN - CLOSED)


def agent_pos(qpos):
    left, right = qpos[0:6] + [normalised(qpos[6])], qpos[8:14] + [normalised(qpos[14])]
    return left + right


source = pathlib.Path(sys.argv[1])
target = pathlib.Path(__file__).parent.parent / "src/robot/frames"
target.mkdir(exist_ok=True)
frames = []
for state in json.loads((source / "index.json").read_text())["states"]:
    for image in state["images"]:
        if "file_224" in image and image["shadow"]:
            shutil.copyfile(source / image["file_224"], target / image["file_224"])
            frames.append({"file": image["file_224"], "task": state["task"], "step": state["step"],
                           "sha256": image["sha256_rgb_224"], "state": agent_pos(state["qpos"])})
rows = ",\n".join("  " + json.dumps(frame) for frame in frames)
(target / "frames.json").write_text(f"[\n{rows}\n]\n")
print(len(frames), "frames")
