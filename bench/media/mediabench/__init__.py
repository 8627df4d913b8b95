"""The media benchmark's runner: servers pinned to one core, the load client to the other."""
