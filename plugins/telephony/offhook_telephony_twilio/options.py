"""What a business file may say under ``[options.telephony.twilio]``."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from offhook.config import Secret


class TwilioOptions(BaseModel):
    """A Twilio account. Tokens are named by reference, such as ``env:TWILIO_AUTH_TOKEN``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    account_sid: str = Field(pattern=r"^AC[0-9a-fA-F]{32}$", description="the account's SID")
    auth_token: Secret = Field(description="signs what Twilio sends us and what we ask of Twilio")
    auth_tokens: tuple[Secret, ...] = Field(
        (), description="further tokens whose signatures are taken, while a token is rotated"
    )
    api_url: str = Field(
        "https://api.twilio.com",
        pattern=r"^https?://[^/?#]+$",
        description="root of the REST API; a region's, or a test's own",
    )
    timeout_seconds: float = Field(
        10, gt=0, le=60, description="how long the REST API may be silent"
    )
