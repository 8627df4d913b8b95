"""Whom to call."""

from __future__ import annotations

from pathlib import Path

from offhook.businesses import BusinessDirectory, Loaded
from offhook.config import Settings
from offhook.errors import ConfigError, OffhookError
from offhook.registry import Registry
from offhook_telephony_simulated.server import NAME


def find_business(settings: Settings, registry: Registry, name: str) -> Loaded:
    """The business of that name; without a name, the only one.

    Raises OffhookError with what is wrong: in its file, in the folder, or with the name.
    """
    folder = settings.businesses
    # Told to nobody: what matters here is raised.
    directory = BusinessDirectory(folder, registry, lambda _: None)
    businesses, problems = directory.all(), directory.problems()
    if name and (loaded := directory.get(name)):
        return loaded
    if not name and len(businesses) == 1 and not problems:
        return businesses[0]
    wrong = [p for p in problems if p.file == str(folder) or Path(p.file).stem == name]
    if wrong or (problems and not businesses):
        raise ConfigError(wrong or list(problems))
    if not businesses:
        raise OffhookError(
            f"there is no business file (*.toml) in {folder}: name another folder with --businesses"
        )
    names = ", ".join(business.id for business in businesses)
    if name:
        raise OffhookError(f"there is no business {name!r} in {folder} (there are: {names})")
    raise OffhookError(f"say whom to call with --business (there are: {names})")


def check_reachable(loaded: Loaded) -> None:
    """Raise OffhookError unless the simulated carrier may ring this business."""
    if NAME not in loaded.business.telephony:
        names = ", ".join(f'"{name}"' for name in (*loaded.business.telephony, NAME))
        raise OffhookError(
            f"{loaded.path} does not let the simulated carrier in: write telephony = [{names}], "
            "or use --text"
        )
