"""The colours of ICE's measures, the same in every chart; they are those of no model."""

from outputs.figures import theme
from outputs.identity.columns import MEASURES

MEASURE_COLOURS = dict(zip(MEASURES, (theme.OKABE_ITO[5], theme.OKABE_ITO[0], theme.OKABE_ITO[1]), strict=True))
