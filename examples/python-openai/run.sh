#!/bin/sh
# Makes a virtual environment under .ferry/ the first time, then runs.
set -eu
cd "$(dirname "$0")"
venv=${PYTHON_VENV:-../../.ferry/python-openai}
if [ ! -f "$venv/installed" ] || [ requirements.txt -nt "$venv/installed" ]; then
  python3 -m venv "$venv"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r requirements.txt
  touch "$venv/installed"
fi
exec "$venv/bin/python" chat.py "$@"
