"""The Starlette application: the media socket, the carriers' webhooks, health."""
