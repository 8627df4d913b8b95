"""Calls from the shell: ``offhook call`` and ``offhook demo``. Imported by the commands only."""
