"""What a business file may say under ``[options.tts.local]``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class LocalVoiceOptions(BaseModel):
    """Which engine speaks, with which voice, and how fast."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    engine: Literal["piper", "espeak"] = Field(
        "piper", description="piper sounds natural; espeak starts at once, in any language"
    )
    voice: str = Field(
        "",
        description="piper: path of a voice's .onnx file (empty: Joe, US English); "
        "espeak: a voice's name (empty: the business's language)",
    )
    speed: float = Field(1.0, ge=0.5, le=2.0, description="1 is the voice's own pace")
    pitch: int | None = Field(None, ge=0, le=99, description="espeak only; 50 is the voice's own")

    @model_validator(mode="after")
    def _fits_engine(self) -> LocalVoiceOptions:
        if self.engine == "piper":
            if self.pitch is not None:
                raise ValueError('Piper has no pitch: remove it, or set engine = "espeak"')
            for file in (self.voice, f"{self.voice}.json") if self.voice else ():
                if not Path(file).is_file():
                    raise ValueError(
                        f"there is no file {file}: a Piper voice is an .onnx file with its "
                        ".onnx.json beside it"
                    )
        return self
