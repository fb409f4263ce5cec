"""A take's sound as a file for the page: made by a command of ours in a process of its own, one at a time.

The page's event loop owns it. The file is kept until another is asked for, or the run is over.
"""

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from livecomposer.errors import SettingsError

OWN = (sys.executable, "-m", "livecomposer")
SILENT_S = 60.0  # a command that says nothing for so long hangs: it tells its share every 5 s


class Sounds:
    """Makes one at a time; ``of`` finds it."""

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._made: tuple[int, Path] | None = None
        self._task: asyncio.Task | None = None
        self._process: asyncio.subprocess.Process | None = None

    def of(self, take: int) -> Path | None:
        """The file of a take that has been made."""
        return self._made[1] if self._made is not None and self._made[0] == take else None

    def begin(self, take: int, say: Callable[..., None], wanted: Callable[[], bool]) -> None:
        """Make a take's file.

        Parameters
        ----------
        take : its number.
        say : told ``done="12%"`` now and then, and last ``ready=True`` or ``problem="a sentence"``.
        wanted : asked at each step; once it is False the making ends.

        Raises
        ------
        SettingsError
            Another is being made.
        """
        if self._task is not None and not self._task.done():
            raise SettingsError("the sound of a take is being made; ask again when it is done")
        self._task = asyncio.create_task(self._make(take, say, wanted))

    def stop(self) -> None:
        """End what is being made, and remove the file. Any thread."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
        self._forget()

    def _forget(self) -> None:
        folder, self._folder, self._made = self._folder, None, None
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    async def _make(self, take: int, say: Callable[..., None], wanted: Callable[[], bool]) -> None:
        self._forget()
        say(done="0%")
        try:
            self._folder = Path(tempfile.mkdtemp(prefix="livecomposer-"))
            path = self._folder / f"take-{take}.wav"
            problem = await self._export(take, path, say, wanted)
        except TimeoutError:
            problem = "The sound cannot be made: what makes it hangs."
        except OSError as error:
            problem = f"The sound cannot be made ({error.strerror or error})."
        if problem:
            say(problem=problem)
        else:
            self._made = (take, path)
            say(ready=True)

    async def _export(self, take: int, path: Path, say: Callable[..., None], wanted: Callable[[], bool]) -> str:
        """Returns why there is no file, "" if there is."""
        environ: dict[str, Any] = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"}
        process = self._process = await asyncio.create_subprocess_exec(
            *OWN, "export", str(take), "--wav", str(path), stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, env=environ,
        )  # fmt: skip
        assert process.stdout is not None
        last = "the sound cannot be made"
        try:
            while line := await asyncio.wait_for(process.stdout.readline(), SILENT_S):
                text = line.decode(errors="replace").strip()
                if not wanted():
                    return "Nobody waits for it."
                if text.endswith("%"):
                    say(done=text.rpartition(" ")[2])
                elif text:
                    last = text
            return "" if await process.wait() == 0 else f"{last[:1].upper()}{last[1:]}"
        finally:
            if process.returncode is None:
                process.kill()
