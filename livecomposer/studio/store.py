"""Takes on disk: one SQLite file in the user folder, with every record of the ring as it was written.

Studio's recorder is its one writer while somebody plays; ``livecomposer takes``, ``export`` and ``replay`` read it, and
write a name, a star or a deletion in a transaction of their own. WAL: readers never wait, and what has been committed
is whole after SIGKILL at any moment.
"""

import hashlib
import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

from livecomposer.errors import StoreError
from livecomposer.instrument.ring import Record

FILE = "takes.sqlite"
BUSY_S = 5.0
KEPT_DAYS = 30.0  # a deleted take can be brought back for so long
LONGEST_NAME = 120
# Each entry leads from its index to the next ``PRAGMA user_version``; entries are added, never changed.
MIGRATIONS = (
    """
    CREATE TABLE runs(id TEXT PRIMARY KEY, last_seq INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE takes(
        id INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT NOT NULL, began REAL NOT NULL, start_ns INTEGER NOT NULL,
        end_ns INTEGER NOT NULL, ended INTEGER NOT NULL DEFAULT 0, name TEXT NOT NULL DEFAULT '',
        star INTEGER NOT NULL DEFAULT 0, deleted REAL, settings TEXT, machine TEXT NOT NULL,
        player INTEGER NOT NULL DEFAULT 0, agent INTEGER NOT NULL DEFAULT 0, ratings INTEGER NOT NULL DEFAULT 0,
        pairs INTEGER NOT NULL DEFAULT 0, liking REAL, p50_ms REAL, p99_ms REAL, max_ms REAL, misses INTEGER);
    CREATE TABLE records(
        take INTEGER NOT NULL, seq INTEGER NOT NULL, t_ns INTEGER NOT NULL, kind INTEGER NOT NULL,
        payload BLOB NOT NULL, PRIMARY KEY(take, seq)) WITHOUT ROWID;
    CREATE TABLE losses(
        take INTEGER NOT NULL, after_seq INTEGER NOT NULL, count INTEGER NOT NULL, why TEXT NOT NULL);
    CREATE INDEX losses_of ON losses(take);
    CREATE TABLE snapshots(crc INTEGER PRIMARY KEY, sha256 TEXT NOT NULL, data BLOB NOT NULL);
    """,
)
_TAKE = (
    "id, run, began, start_ns, end_ns, ended, name, star, deleted, settings, machine, player, agent, ratings, pairs, "
    "liking, p50_ms, p99_ms, max_ms, misses"
)


class Take(NamedTuple):
    """One performance as it is listed; ``liking`` is the mean of its ratings (None: none), times in ns are the
    ring's, ``began`` and ``deleted`` are seconds of the time of day."""

    id: int
    run: str
    began: float
    start_ns: int
    end_ns: int
    ended: bool
    name: str
    star: bool
    deleted: float | None
    settings: dict[str, Any] | None
    machine: dict[str, Any]
    player: int
    agent: int
    ratings: int
    pairs: int
    liking: float | None
    p50_ms: float | None
    p99_ms: float | None
    max_ms: float | None
    misses: int | None

    @property
    def seconds(self) -> float:
        """How long it is."""
        return max(self.end_ns - self.start_ns, 0) * 1e-9

    @property
    def role(self) -> str:
        """The role that it began in."""
        return self.settings["settings"]["role"] if self.settings else "?"

    @property
    def title(self) -> str:
        """Its name, or when it was played."""
        return self.name or time.strftime("%Y-%m-%d %H:%M", time.localtime(self.began))


class Store:
    """The file. One thread's; raises StoreError, in one sentence, wherever the disk or the file will not have it.

    Parameters
    ----------
    path : Path
        Made, with its folder, if it is not there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._said("opened"):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
            try:
                self._db.execute("PRAGMA journal_mode = WAL")
                self._db.execute("PRAGMA synchronous = NORMAL")
                self._migrate()
            except BaseException:
                self._db.close()
                raise

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    # ---- the recorder's side ---------------------------------------------------------------------------------------

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of a block, or nothing of it."""
        with self._said("written"):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def last_seq(self, run: str) -> int:
        """The last record of a run that has been kept; 0 before the first."""
        row = self._one("SELECT last_seq FROM runs WHERE id = ?", run)
        return row[0] if row else 0

    def last_take(self, run: str) -> int | None:
        """The take that a run is in."""
        return self._one("SELECT max(id) FROM takes WHERE run = ?", run)[0]

    def take_settled(self, take: int) -> bool:
        """Whether it is known what a take began with."""
        return self._one("SELECT settings FROM takes WHERE id = ?", take)[0] is not None

    def begin(self, run: str, t_ns: int, began: float, machine: dict[str, Any]) -> int:
        """A new take; returns its number. Within a transaction."""
        cursor = self._db.execute(
            "INSERT INTO takes(run, began, start_ns, end_ns, machine) VALUES(?, ?, ?, ?, ?)",
            (run, began, t_ns, t_ns, json.dumps(machine)),
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def add(self, take: int, records: Iterable[Record]) -> None:
        """Keep records of a take. Within a transaction."""
        rows = ((take, r.seq, r.t_ns, r.kind, r.payload) for r in records)
        self._db.executemany("INSERT OR REPLACE INTO records VALUES(?, ?, ?, ?, ?)", rows)

    def lost(self, take: int, after_seq: int, count: int, why: str) -> None:
        """So many records behind ``after_seq`` are not there. Within a transaction."""
        self._db.execute("INSERT INTO losses VALUES(?, ?, ?, ?)", (take, after_seq, count, why))

    def reached(self, run: str, seq: int) -> None:
        """All of a run up to ``seq`` has been dealt with. Within a transaction."""
        self._db.execute("INSERT OR REPLACE INTO runs VALUES(?, ?)", (run, seq))

    def sum_up(self, take: int, **facts: Any) -> None:
        """Columns of a take's row. Within a transaction."""
        names = ", ".join(f"{name} = ?" for name in facts)
        self._db.execute(f"UPDATE takes SET {names} WHERE id = ?", (*facts.values(), take))

    def keep_snapshot(self, data: bytes) -> None:
        """What a performance began with; the same again costs nothing."""
        crc = crc32(data)
        if self._one("SELECT 1 FROM snapshots WHERE crc = ?", crc):
            return
        with self.transaction():
            sha256 = hashlib.sha256(data).hexdigest()
            self._db.execute("INSERT OR REPLACE INTO snapshots VALUES(?, ?, ?)", (crc, sha256, data))

    # ---- what anybody may ask --------------------------------------------------------------------------------------

    def takes(self, deleted: bool = False) -> list[Take]:
        """All takes that are there (or all that have been deleted and can come back), the newest first."""
        test = "IS NOT NULL" if deleted else "IS NULL"
        return [_take(row) for row in self._all(f"SELECT {_TAKE} FROM takes WHERE deleted {test} ORDER BY id DESC")]

    def take(self, number: int) -> Take:
        """One take. Raises StoreError if there is none of that number, or it has been deleted."""
        row = self._one(f"SELECT {_TAKE} FROM takes WHERE id = ?", number) if abs(number) < 1 << 63 else None
        if row is None:
            raise StoreError(f"there is no take {number}; `livecomposer takes` lists them")
        take = _take(row)
        if take.deleted is not None:
            raise StoreError(f"take {number} has been deleted; `livecomposer takes undo` brings the last one back")
        return take

    def records(self, take: int, kinds: Iterable[int] = ()) -> list[Record]:
        """The records of a take in order, all or those of some kinds."""
        wanted = ",".join(str(int(kind)) for kind in kinds)
        test = f" AND kind IN ({wanted})" if wanted else ""
        found = self._all(f"SELECT seq, t_ns, kind, payload FROM records WHERE take = ?{test} ORDER BY seq", take)
        return [Record(*row) for row in found]

    def beginning(self, take: int, count: int = 256) -> list[Record]:
        """The first records of a take."""
        query = "SELECT seq, t_ns, kind, payload FROM records WHERE take = ? ORDER BY seq LIMIT ?"
        return [Record(*row) for row in self._all(query, take, count)]

    def losses(self, take: int) -> list[tuple[int, int, str]]:
        """(record before the hole, how many are missing, why) of a take."""
        return self._all("SELECT after_seq, count, why FROM losses WHERE take = ? ORDER BY after_seq", take)

    def snapshot(self, crc: int) -> bytes | None:
        """The snapshot of a take's ``snapshot_crc``."""
        row = self._one("SELECT data FROM snapshots WHERE crc = ?", crc)
        return row[0] if row else None

    # ---- what a person may change ----------------------------------------------------------------------------------

    def rename(self, number: int, name: str) -> None:
        """Call a take otherwise ("": by its date). Raises StoreError for a name that cannot be shown."""
        name = name.strip()
        if not name.isprintable() or len(name) > LONGEST_NAME:
            raise StoreError(f"a take's name is one line of at most {LONGEST_NAME} characters; choose another")
        self._change(number, name=name)

    def star(self, number: int, on: bool) -> None:
        """Mark a take, or not."""
        self._change(number, star=int(on))

    def delete(self, number: int, now: float) -> None:
        """Put a take away; ``bring_back`` finds it for 30 days."""
        self._change(number, deleted=now)

    def bring_back(self, number: int | None = None) -> int:
        """Undo a deletion (None: the last); returns the take. Raises StoreError if there is none."""
        query = "SELECT id FROM takes WHERE deleted IS NOT NULL"
        row = (
            self._one(f"{query} ORDER BY deleted DESC, id DESC LIMIT 1")
            if number is None
            else self._one(f"{query} AND id = ?", number)
        )
        if row is None:
            raise StoreError("no take has been deleted that could come back")
        with self.transaction():
            self.sum_up(row[0], deleted=None)
        return row[0]

    def purge(self, now: float) -> int:
        """Let go of what was deleted more than 30 days ago; returns how many takes that were."""
        gone = [row[0] for row in self._all("SELECT id FROM takes WHERE deleted < ?", now - KEPT_DAYS * 86400.0)]
        if gone:
            with self.transaction():
                for number in gone:
                    for table, column in (("records", "take"), ("losses", "take"), ("takes", "id")):
                        self._db.execute(f"DELETE FROM {table} WHERE {column} = ?", (number,))
        return len(gone)

    # ---- inside ----------------------------------------------------------------------------------------------------

    def _change(self, number: int, **facts: Any) -> None:
        self.take(number)
        with self.transaction():
            self.sum_up(number, **facts)

    def _migrate(self) -> None:
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version > len(MIGRATIONS):
            raise StoreError(f"{self.path} is of a newer livecomposer; use that one, or move the file away")
        for number in range(version, len(MIGRATIONS)):
            self._db.executescript(f"BEGIN IMMEDIATE; {MIGRATIONS[number]} PRAGMA user_version = {number + 1}; COMMIT;")

    def _all(self, query: str, *values: Any) -> list[Any]:
        with self._said("read"):
            return self._db.execute(query, values).fetchall()

    def _one(self, query: str, *values: Any) -> Any:
        with self._said("read"):
            return self._db.execute(query, values).fetchone()

    @contextmanager
    def _said(self, what: str) -> Iterator[None]:
        """A fault of the file or the disk as a sentence."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            if "not a database" in str(error) or "malformed" in str(error):
                raise StoreError(
                    f"{self.path} is damaged ({error}); move it away, and a new one is begun at the next start"
                ) from error
            raise StoreError(f"{self.path} cannot be {what} ({error}); see that the disk has room") from error
        except OSError as error:
            raise StoreError(
                f"{self.path} cannot be {what} ({error.strerror or error}); "
                "set LIVECOMPOSER_HOME to a folder that can be written"
            ) from error


def open_there(path: Path) -> Store:
    """The store of this user, if anything has been recorded. Raises StoreError if not."""
    if not path.exists():
        raise StoreError("nothing has been recorded yet; `livecomposer play` records whatever is played")
    return Store(path)


def _take(row: Any) -> Take:
    fields = dict(zip(Take._fields, row, strict=True))
    loads: Callable[[str], Any] = json.loads
    settings = loads(fields["settings"]) if fields["settings"] else None
    return Take(
        **{**fields, "settings": settings, "machine": loads(fields["machine"])}
        | {"ended": bool(fields["ended"]), "star": bool(fields["star"])}
    )
