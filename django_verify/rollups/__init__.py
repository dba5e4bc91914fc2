"""The figures of each hour: counted by the workers, read by the dashboard and the summary.

Nothing here writes an attempt. What is shown of the figures, and to whom, is decided in the faces.
"""

from django_verify.rollups.keeping import advance, changing, rebuild
from django_verify.rollups.reading import Figures, Filters, Period, Reading, blocks, lines
from django_verify.rollups.recent import Recent, since

__all__ = [
    "Figures",
    "Filters",
    "Period",
    "Reading",
    "Recent",
    "advance",
    "blocks",
    "changing",
    "lines",
    "rebuild",
    "since",
]
