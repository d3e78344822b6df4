#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Times gr-jadce and its peers, which a venv of their own holds (build/bench-venv): make bench
set -euo pipefail
cd "$(dirname "$0")/.."
. ./env.sh
venv=$PWD/build/bench-venv log=$PWD/build/bench-pip.log
# Peers come on top of Debian's NumPy, which none may replace: GNU Radio was built for that one.
has_debians_numpy() {
    "$venv/bin/python" -c 'import numpy, sys; sys.exit(not numpy.__file__.startswith("/usr/"))' 2>/dev/null
}
has_debians_numpy || /usr/bin/python3 -m venv --clear --system-site-packages "$venv"
/usr/bin/python3 -c 'import numpy; print(f"numpy=={numpy.__version__}")' >build/bench-constraints.txt
for pin in $(sed -n 's/^bench = \[\(.*\)\].*/\1/p' pyproject.toml | tr -d '",'); do
    "$venv/bin/python" -c "import importlib.metadata as m, sys; sys.exit(m.version('${pin%%==*}') != '${pin##*==}')" 2>/dev/null ||
        "$venv/bin/python" -m pip --disable-pip-version-check --retries 1 --timeout 10 install -q \
            -c build/bench-constraints.txt "$pin" >"$log" 2>&1 ||
        echo "bench: $pin cannot be installed here and is left out: $(grep -m1 ERROR "$log" || tail -n1 "$log")" >&2
done
# torch, where `make torch` put it.
echo "$PWD"/.venv/lib/python3*/site-packages | tr ' ' '\n' >"$(echo "$venv"/lib/python3*/site-packages)/torch_of_checkout.pth"
exec "$venv/bin/python" benchmarks/bench/make.py "$@"
