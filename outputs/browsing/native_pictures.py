"""Pictures and clips that stand in a body in its provider's own form, not as chat completions name them."""

from typing import Any

_INLINE = ("inline_data", "inlineData")
_FILED = ("file_data", "fileData")


def native_url(piece: dict[str, Any]) -> str | None:
    """Where a piece of a message has its picture: a data URL, or an address. None where it is no such piece.

    Known are those of Anthropic (`image`), Gemini (`inline_data`, `file_data`) and Responses (`input_image`).
    """
    if piece.get("type") == "image":
        return _of_source(piece.get("source"))
    if piece.get("type") == "input_image":
        return _text(piece.get("image_url")) or ""
    for name in _INLINE:
        if isinstance(told := piece.get(name), dict):
            return _data_url(told.get("mime_type", told.get("mimeType")), told.get("data"))
    for name in _FILED:
        if isinstance(told := piece.get(name), dict):
            return _text(told.get("file_uri", told.get("fileUri"))) or ""
    return None


def _of_source(source: object) -> str:
    if not isinstance(source, dict):
        return ""
    if "data" in source:
        return _data_url(source.get("media_type"), source["data"])
    return _text(source.get("url")) or _text(source.get("file_id")) or ""


def _data_url(kind: object, data: object) -> str:
    """The type that is claimed is shown to nobody: what it is, its bytes say."""
    return f"data:{_text(kind) or ''};base64,{_text(data) or ''}".replace(",;base64", ";base64")


def _text(told: object) -> str | None:
    return told if isinstance(told, str) else None
