"""Alembic's scripts; run by ``offhook.store.engine.migrate``."""
