# Weights files of PyTorch, written by Python's safetensors. Run from anywhere:
#   python3 tests/golden/safetensors.py          writes safetensors.json beside itself
#   python3 tests/golden/safetensors.py FILE     opens a file that gradc has saved, and prints its tensors and metadata
# Needs numpy, torch and safetensors; if they are missing it makes a virtual environment under the system's temporary folder,
# installs them there with pip, and goes on in it.
import sys

from packages import need

# A script's own folder comes first on the path: this file would be found in place of the package of its name.
sys.path.pop(0)
import base64
import json
import os

need('numpy', 'torch', 'safetensors')

import torch
from safetensors import safe_open
from safetensors.torch import save

if len(sys.argv) > 1:
    with safe_open(sys.argv[1], framework="pt") as f:
        print(json.dumps({"metadata": f.metadata()}))
        for name in f.keys():
            t = f.get_tensor(name)
            print(json.dumps({"name": name, "dtype": str(t.dtype), "shape": list(t.shape), "sum": float(t.double().sum())}))
    sys.exit()

torch.manual_seed(5)
net = torch.nn.Sequential(
    torch.nn.Conv2d(2, 3, 3),
    torch.nn.BatchNorm2d(3),
    torch.nn.ReLU(),
    torch.nn.Flatten(),
    torch.nn.Linear(12, 4),
)
for _ in range(3):
    net(2 * torch.randn(8, 2, 4, 4) + 1)
net.eval()
x = torch.randn(2, 2, 4, 4)
with torch.no_grad():
    y = net.double()(x.double())
net.float()

every = {
    str(t).split(".")[1]: torch.ones(2, 3).to(t)
    for t in [
        torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.float16, torch.bfloat16, torch.float32, torch.float64,
        torch.complex64, torch.float8_e4m3fn, torch.float8_e5m2,
    ]
}
every["scalar"] = torch.tensor(2.5)
every["empty"] = torch.zeros(0, 3)


def rounded(t):
    return [float(f"{v:.9g}") for v in t.flatten().tolist()]


out = {
    "net": base64.b64encode(save(net.state_dict(), metadata={"format": "pt"})).decode(),
    "x": rounded(x),
    "y": rounded(y),
    "every": base64.b64encode(save(every)).decode(),
}
path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "safetensors.json")
with open(path, "w") as f:
    json.dump(out, f, separators=(",", ":"))
    f.write("\n")
