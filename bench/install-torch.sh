#!/bin/sh
# Installs the newest PyTorch wheel of PyPI and NumPy into bench/.venv, for the peer torch-wheel: 5 GB, as the wheel needs its libraries
# for graphics cards even to start. Without it that peer is skipped. If it fails it says so and leaves what was there.
#   bench/install-torch.sh [PYTHON]
set -eu
cd "$(dirname "$0")"
python=${1:-python3}
installed() { [ -x .venv/bin/python ] && .venv/bin/python peers/torch.py --version 2>/dev/null; }
if ! { "$python" -m venv .venv && .venv/bin/python -m pip install --quiet --upgrade torch numpy && installed; }; then
  if version=$(installed); then
    echo "install-torch: could not be brought up to date; torch-wheel stays $version" >&2
  else
    rm -rf .venv
    echo 'install-torch: PyTorch could not be installed; torch-wheel will be skipped' >&2
  fi
  exit 1
fi
