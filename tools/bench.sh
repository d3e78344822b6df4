#!/usr/bin/env bash
# Times gr-jadce and its peers, which a .venv of their own holds (build/bench-venv): make bench
set -euo pipefail
cd "$(dirname "$0")/.."
. ./env.sh
venv=$PWD/build/bench-venv
[ -x "$venv/bin/python" ] || /usr/bin/python3 -m venv --system-site-packages "$venv"
for pin in $(sed -n 's/^bench = \[\(.*\)\].*/\1/p' pyproject.toml | tr -d '",'); do
    package=${pin%%==*}
    "$venv/bin/python" -c "import importlib.metadata as m, sys; sys.exit(m.version('$package') != '${pin##*==}')" 2>/dev/null ||
        "$venv/bin/python" -m pip --disable-pip-version-check install -q "$pin" 2>build/bench-pip.log ||
        echo "bench: $pin cannot be installed here and is left out: $(grep -m1 ERROR build/bench-pip.log)" >&2
done
# torch, where `make torch` put it.
echo "$PWD"/.venv/lib/python3*/site-packages | tr ' ' '\n' >"$(echo "$venv"/lib/python3*/site-packages)/torch_of_checkout.pth"
exec "$venv/bin/python" benchmarks/bench/make.py "$@"
