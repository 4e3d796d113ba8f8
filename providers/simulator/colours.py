"""Names for colours, in a few plain words."""

import colorsys

_HUES = ("red", "orange", "yellow", "lime", "green", "mint", "cyan", "azure", "blue", "violet", "magenta", "pink")
_DARK, _LIGHT = 0.3, 0.7  # lightness below or above which a colour is called so
_GREY = 0.06  # chroma below which a colour has no hue to speak of
_DULL = 0.25  # chroma below which it is greyish


def colour_words(colour: tuple[int, int, int]) -> str:
    """The name of a colour (red, green, blue; each 0 to 255), such as `dark greyish orange` or `light grey`."""
    red, green, blue = (part / 255 for part in colour)
    hue, lightness, _ = colorsys.rgb_to_hls(red, green, blue)
    chroma = max(red, green, blue) - min(red, green, blue)
    if lightness < 0.05 or lightness > 0.95:
        return "black" if lightness < 0.5 else "white"
    shade = "dark " if lightness < _DARK else "light " if lightness > _LIGHT else ""
    if chroma < _GREY:
        return f"{shade}grey"
    return f"{shade}{'greyish ' if chroma < _DULL else ''}{_HUES[round(hue * len(_HUES)) % len(_HUES)]}"
