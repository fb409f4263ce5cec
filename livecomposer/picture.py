"""Pictures of curves, drawn without a screen. Needs the extra ``plot``.

Whoever measures for minutes asks for a ``blank`` first: what cannot be drawn is refused before, not afterwards.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from livecomposer.errors import SettingsError


def blank(plot: str) -> Any:
    """An empty figure of matplotlib for the file ``plot``. Raises SettingsError where it could not be kept."""
    path = Path(plot)
    if not path.parent.is_dir():
        raise SettingsError(f"plot = {plot!r}: there is no folder {str(path.parent)!r}; make it first")
    if path.is_dir():
        raise SettingsError(f"plot = {plot!r} is a folder; name a file in it")
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise SettingsError("--plot needs matplotlib; pip install livecomposer[plot]") from None
    return Figure(figsize=(7, 4), layout="constrained")


def curves(
    figure: Any, plot: str, of: Mapping[str, tuple[Any, Any]], x: str, y: str, marker: str = "",
    level: float | None = None,
) -> None:  # fmt: skip
    """Draw curves (by name, their x and y) with a faint line at ``level``, and write the file. Raises SettingsError."""
    axes = figure.add_subplot(xlabel=x, ylabel=y)
    for name, (across, up) in of.items():
        axes.plot(across, up, marker=marker, label=name or None)
    if level is not None:
        axes.axhline(level, color="grey", linewidth=0.8)
    if any(of):
        axes.legend()
    axes.spines[["top", "right"]].set_visible(False)
    try:
        figure.savefig(plot, dpi=120, metadata={"Date": None} if plot.endswith(".svg") else None)
    except (OSError, ValueError) as error:
        raise SettingsError(f"plot = {plot!r} cannot be written ({error})") from None
