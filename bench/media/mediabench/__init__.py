"""The media benchmark's runner: servers pinned to one core, the load client to the other."""

import sys
from pathlib import Path

# The scripted delays are shared with the vendors' package, which the runner need not install.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "offhook-bench-vendors"))
