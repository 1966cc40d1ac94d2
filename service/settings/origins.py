"""The other sites whose pages may call Hansard."""

import re
from typing import Final

from service.settings.settings import BadSetting, Settings

SITE: Final = re.compile(r"https?://[\w.:\[\]-]+")


def allowed_origins(settings: Settings) -> frozenset[str]:
    listed = [each.strip().rstrip("/") for each in (settings.cors_origins or "").split(",") if each.strip()]
    for each in listed:
        if each == "*" and settings.auth == "dev":
            raise BadSetting("HANSARD_CORS_ORIGINS is *: without authentication, name each site")
        if each != "*" and not SITE.fullmatch(each):
            raise BadSetting(f"HANSARD_CORS_ORIGINS names {each}, which is not like https://chat.example")
    return frozenset(listed)
