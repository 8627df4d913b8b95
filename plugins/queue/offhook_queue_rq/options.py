"""The queue's options."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class RQOptions(BaseModel):
    """Which queue, and how soon a lost worker is missed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    queue: str = Field("offhook", pattern=r"^[A-Za-z0-9_.-]+$", description="RQ's queue")
    worker_seconds: int = Field(
        30, ge=20, le=420, description="silence after which a worker counts as dead"
    )
    keep_failed_seconds: int = Field(
        86400, ge=0, description="how long a failed job can be looked at, and its id stays taken"
    )
