"""The endpoints in OpenAPI: in the host's own document, or in one by themselves.

Needs the extra `schema`. A host that makes a document with drf-spectacular finds them in it.
"""

from __future__ import annotations

from typing import Any

from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.settings import SPECTACULAR_DEFAULTS, patched_settings

import django_verify
from django_verify.mobile import urls

# The library's own, so that the host's do not reach the document; the two are not for documents.
_DEFAULTS = {
    name: value
    for name, value in SPECTACULAR_DEFAULTS.items()
    if not name.startswith(("SERVE_", "DEFAULT_GENERATOR_CLASS"))
}
_SETTINGS = {
    **_DEFAULTS,
    "TITLE": "django-verify, for apps",
    "DESCRIPTION": "Verification without an account's credentials.",
    "VERSION": django_verify.__version__,
    "OAS_VERSION": "3.1.0",
    "POSTPROCESSING_HOOKS": [],
    "PREPROCESSING_HOOKS": [],
}


def document(root: str = "/mobile/") -> dict[str, Any]:
    """Return an OpenAPI 3.1 document of these endpoints alone, with their paths below `root`."""
    with patched_settings(_SETTINGS):
        schema: dict[str, Any] = SchemaGenerator(patterns=urls.urlpatterns).get_schema(public=True)
    schema["servers"] = [{"url": root.rstrip("/") or "/"}]
    return schema
