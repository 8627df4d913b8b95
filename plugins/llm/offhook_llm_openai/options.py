"""What a business file may write under ``[options.llm.openai]``."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from offhook.config import Secret


class OpenAIOptions(BaseModel):
    """The model, and where it is. Without ``base_url`` it is OpenAI's own service."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = Field(min_length=1, description="the model's name at that service")
    api_key: Secret | None = Field(None, description="env:NAME or file:PATH; optional if local")
    base_url: str = Field(
        "",
        pattern=r"^(https?://.+)?$",
        description="root of a compatible server, with /v1 where it has one",
    )
    temperature: float | None = Field(None, ge=0, le=2)
    max_tokens: int | None = Field(None, ge=1, description="longest answer, in tokens")
    timeout_seconds: float = Field(
        8, gt=0, le=60, description="how long the server may be silent before it counts as failed"
    )
    max_retries: int = Field(
        1, ge=0, le=1, description="further tries, as long as nothing has been said"
    )
    tools: bool = Field(True, description="whether the model is told of the agent's tools")
    extra_body: dict[str, Any] = Field({}, description="further fields of the request, as they are")

    @model_validator(mode="after")
    def _reachable(self) -> OpenAIOptions:
        if self.api_key is None and not self.base_url:
            raise ValueError(
                'OpenAI asks for a key: write api_key = "env:OPENAI_API_KEY", or the base_url of '
                "a server that needs none"
            )
        return self
