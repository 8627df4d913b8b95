"""Scripted speech and language vendors for offhook's media benchmark: fixed delays, no network."""
