#!/bin/sh
# Installs the newest PyTorch wheel and NumPy into bench/.venv, for the peer torch-wheel. Without it that peer is skipped.
#   bench/install-torch.sh [PYTHON]
set -eu
cd "$(dirname "$0")"
"${1:-python3}" -m venv .venv
.venv/bin/python -m pip install --quiet --upgrade torch numpy
.venv/bin/python peers/torch.py --version
