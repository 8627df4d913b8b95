"""Configuration: what the environment says (settings) and what a business file says (business)."""

from offhook.config.business import Business, one_or_more
from offhook.config.secrets import Secret
from offhook.config.settings import Settings

__all__ = ["Business", "Secret", "Settings", "one_or_more"]
