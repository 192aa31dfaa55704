# Event files of TensorBoard. Run from anywhere:
#   python3 tests/golden/tensorboard.py            writes tensorboard.json beside itself: what TensorBoard's own writer makes of some events
#   python3 tests/golden/tensorboard.py FOLDER     prints the scalars that TensorBoard finds in a folder that gradc has logged to
# Needs tensorboard; if it is missing it makes a virtual environment under the system's temporary folder, installs it there
# with pip, and goes on in it.
import sys

from packages import need

# A script's own folder comes first on the path: this file would be found in place of the package of its name.
sys.path.pop(0)
import base64
import io
import json
import os

need('tensorboard')

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

if len(sys.argv) > 1:
    found = EventAccumulator(sys.argv[1])
    found.Reload()
    for tag in found.Tags()["scalars"]:
        print(json.dumps({"tag": tag, "scalars": [[e.wall_time, e.step, e.value] for e in found.Scalars(tag)]}))
    sys.exit()

# Wall time in seconds, step, scalars by tag.
events = [
    [1700000000.25, 0, {"train/loss": 2.5}],
    [1700000001.5, 1, {"train/loss": 0.1, "train/accuracy": 1.0, "lr": 0.001}],
    [1700000002.0, 127, {"train/loss": 0.0}],
    [1700000003.0, 128, {"validation/größe": -3.75}],
    [1700000004.125, 2**40 + 5, {"x" * 200: 1e30, "y": -1e-30}],
]


class Kept(io.BytesIO):
    def close(self):
        pass


kept = Kept()
writer = RecordWriter(kept)
writer.write(Event(wall_time=1700000000.0, file_version="brain.Event:2").SerializeToString())
for wall_time, step, scalars in events:
    summary = Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in scalars.items()])
    writer.write(Event(wall_time=wall_time, step=step, summary=summary).SerializeToString())
writer.flush()

path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tensorboard.json")
with open(path, "w") as f:
    json.dump({"began": 1700000000.0, "events": events, "file": base64.b64encode(kept.getvalue()).decode()}, f, separators=(",", ":"), ensure_ascii=False)
    f.write("\n")
