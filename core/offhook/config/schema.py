"""The JSON Schema of a business file, for editors, with the options of the installed plugins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel

from offhook.config.business import Business, PluginKind

# Taplo, which Even Better TOML is built on, knows the older drafts best.
_DRAFT = "http://json-schema.org/draft-07/schema#"


def business_schema(options: Mapping[tuple[str, str], type[BaseModel]]) -> dict[str, Any]:
    """The schema of ``businesses/<id>.toml``; ``options`` holds each plugin's (kind, name)."""
    schema = Business.model_json_schema()
    definitions = schema["$defs"]
    for kind in get_args(PluginKind):
        names = sorted(name for k, name in options if k == kind)
        tables = {
            name: _hoist(options[kind, name], f"{kind}.{name}", definitions) for name in names
        }
        definitions["Options"]["properties"][kind] = {
            "type": "object",
            "description": f"options of each {kind} plugin",
            "properties": tables,
            "additionalProperties": False,
        }
        one = {"type": "string", "enum": names}
        field = schema["properties"][kind]
        schema["properties"][kind] = {
            "description": f"the {kind} plugin, or several that step in for each other in order",
            "anyOf": [one, {"type": "array", "items": one, "minItems": 1}],
            "default": field["default"],
        }
    return {"$schema": _DRAFT, **schema}


def _hoist(model: type[BaseModel], prefix: str, definitions: dict[str, Any]) -> dict[str, Any]:
    """The model's schema; its definitions move to the top, named so that plugins cannot clash."""
    schema = model.model_json_schema(ref_template=f"#/$defs/{prefix}.{{model}}")
    for name, definition in schema.pop("$defs", {}).items():
        definitions[f"{prefix}.{name}"] = definition
    return schema
