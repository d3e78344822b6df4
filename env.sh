# SPDX-License-Identifier: GPL-3.0-or-later
# Source this in the repository (". ./env.sh") to use what `make setup` staged in build/stage:
# the Python package, the apps on PATH, and the blocks in GRC and grcc.
if [ ! -f "$PWD/python/gr_jadce/__init__.py" ]; then
    echo "env.sh: expected to be sourced in the gr-jadce repository, found $PWD" >&2
else
    stage=$PWD/build/stage
    python_dir=$stage/lib/python$(/usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')/dist-packages
    case ":$PATH:" in
    *":$stage/bin:"*) ;; # sourced before
    *)
        export PATH="$stage/bin:$PATH"
        export PYTHONPATH="$python_dir${PYTHONPATH:+:$PYTHONPATH}"
        export GRC_BLOCKS_PATH="$stage/share/gnuradio/grc/blocks${GRC_BLOCKS_PATH:+:$GRC_BLOCKS_PATH}"
        ;;
    esac
    unset stage python_dir
fi
