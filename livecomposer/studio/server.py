"""The page's server: static files, takes as files, and one WebSocket on which everything else travels.

A thread of the studio process with an event loop of its own. It listens on 127.0.0.1 only, answers only to its own
name (Host) and to its own page (Origin), and wants this run's token for whatever is not a file of the package.
"""

import asyncio
import json
import os
import secrets
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from livecomposer.errors import LivecomposerError, SettingsError
from livecomposer.instrument import inbox
from livecomposer.instrument.records import SOURCES
from livecomposer.studio import asked
from livecomposer.studio.export import roll, table, write_mid
from livecomposer.studio.feed import Feed
from livecomposer.studio.sounds import OWN, Sounds
from livecomposer.studio.store import FILE, Store, Take

if TYPE_CHECKING:
    from livecomposer.studio.process import Studio

STATIC = Path(__file__).parent / "static"
TURN_S = 0.012  # the ring is looked at so often; a browser draws every 16.7 ms
SLOW_S = 1.0  # between two looks at what changes slowly
QUEUE = 32  # frames that wait for one browser: half a second of music, then it is given the state anew
MOST_CLIENTS = 24
MOST_CONNECTIONS = 128
RATE, BURST = 150.0, 300.0  # messages a second from one browser
TOO_MANY = 3000  # refused ones, after which it is cut off
TOOL_S = 60.0  # doctor and explain take seconds
PAGE = SOURCES.index("page")
HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), midi=(self)",
}


class Client:
    """One browser: a bounded queue of frames, its allowance, and the notes it holds."""

    def __init__(self, socket: WebSocket) -> None:
        self.socket = socket
        self.frames: asyncio.Queue[str] = asyncio.Queue(QUEUE)
        self.behind = False
        self.dropped = 0
        self.holding: set[tuple[int, int]] = set()
        self.refused = 0
        self._allowed = BURST
        self._since = time.monotonic()

    def put(self, frame: str) -> None:
        """Give it a frame; if it does not keep up, frames are dropped and it gets the state anew later."""
        if self.behind:
            self.dropped += 1
            return
        try:
            self.frames.put_nowait(frame)
        except asyncio.QueueFull:
            self.behind = True
            self.dropped += 1

    def may(self) -> bool:
        """Whether it may be heard now (a token bucket)."""
        now = time.monotonic()
        self._allowed = min(self._allowed + (now - self._since) * RATE, BURST)
        self._since = now
        if self._allowed < 1.0:
            self.refused += 1
            return False
        self._allowed -= 1.0
        return True


class Page:
    """The server of one studio. ``start`` runs it on a thread; ``port`` is known once ``ready`` is set."""

    def __init__(self, studio: "Studio", token: str, port: int) -> None:
        self.studio = studio
        self.token = token
        self.port = port
        self.ready = threading.Event()
        self.problem = ""
        self.feed = Feed(studio.buffer)
        self.clients: set[Client] = set()
        self._tools: dict[str, asyncio.Task] = {}
        self.sounds = Sounds()
        self._slow = ""
        self._server: uvicorn.Server | None = None
        self._database = Path(studio.options["folder"]) / FILE

    def start(self) -> None:
        """Serve from now on, on a daemon thread."""
        threading.Thread(target=self._serve, name="page", daemon=True).start()

    def _serve(self) -> None:
        try:
            with socket.create_server(("127.0.0.1", self.port)):  # uvicorn would exit the program
                pass
            asyncio.run(self._main())
        except Exception as error:  # the recorder goes on
            number = error.errno if isinstance(error, OSError) else None
            self.problem = os.strerror(number) if number else str(error)
            if self.ready.is_set():  # nobody looks at it any more
                self.studio.tell("say", f"Warning: the page has stopped ({error}); the music and its recording go on.")
        finally:
            self.ready.set()

    def stop(self) -> None:
        """Let the browsers go, and end."""
        if self._server is not None:
            self._server.should_exit = True
        self.sounds.stop()

    async def _main(self) -> None:
        config = uvicorn.Config(
            self.app(), host="127.0.0.1", port=self.port, log_config=None, access_log=False, lifespan="off",
            ws="websockets-sansio", ws_max_size=4 * asked.MOST_BYTES, ws_max_queue=8, ws_per_message_deflate=False,
            ws_ping_interval=20.0, ws_ping_timeout=20.0, limit_concurrency=MOST_CONNECTIONS, backlog=256,
            timeout_graceful_shutdown=1, server_header=False, proxy_headers=False,
        )  # fmt: skip
        server = self._server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve())
        while not server.started and not serving.done():
            await asyncio.sleep(0.005)
        if server.started:
            self.port = server.servers[0].sockets[0].getsockname()[1]
            self.ready.set()
            telling = asyncio.create_task(self._tell())
            await asyncio.wait({serving, telling}, return_when=asyncio.FIRST_COMPLETED)
            server.should_exit = True
            await serving
            if telling.done():
                await telling  # what ended it
            telling.cancel()
        else:
            await serving

    def app(self) -> ASGIApp:
        """The whole of it as an ASGI application."""
        routes = [
            Route("/", self._index),
            Route("/takes/{take:int}.{kind:str}", self._take),
            WebSocketRoute("/ws", self._socket),
            Mount("/static", StaticFiles(directory=STATIC)),
        ]
        return _Gate(Starlette(routes=routes), self)

    def names(self) -> tuple[str, str]:
        """What the page may be called."""
        return f"127.0.0.1:{self.port}", f"localhost:{self.port}"

    def knows(self, connection: HTTPConnection) -> bool:
        """Whether the request carries this run's token."""
        return secrets.compare_digest(connection.query_params.get("key", "").encode(), self.token.encode())

    # ---- files -----------------------------------------------------------------------------------------------------

    async def _index(self, request: Request) -> Response:
        if not self.knows(request):
            return PlainTextResponse("Open the address that livecomposer printed when it started.", 403)
        return FileResponse(STATIC / "index.html")

    async def _take(self, request: Request) -> Response:
        """A take as .mid, .csv or .json, by its number, and as .wav if it has been made (``wav`` on the socket)."""
        number, kind = request.path_params["take"], request.path_params["kind"]
        if not self.knows(request):
            return PlainTextResponse("This needs the token of the run.", 403)
        if kind == "wav":
            sound = self.sounds.of(number)
            if sound is None:
                return PlainTextResponse("Ask the page for the sound of this take: it must be made first.", 404)
            return FileResponse(sound, filename=sound.name)
        if kind not in _EXPORTS:
            return PlainTextResponse(f"A take can be had as {', '.join(_EXPORTS)}.", 404)
        make, media = _EXPORTS[kind]
        try:
            data = await asyncio.to_thread(self._export, number, make)
        except LivecomposerError as error:
            return PlainTextResponse(f"{error}.", 404)
        disposition = {"content-disposition": f'attachment; filename="take-{number}.{kind}"'} if kind != "json" else {}
        return Response(data, media_type=media, headers=disposition)

    def _export(self, number: int, make: Callable[[Store, Take], bytes]) -> bytes:
        store = Store(self._database)
        try:
            return make(store, store.take(number))
        finally:
            store.close()

    # ---- the socket ------------------------------------------------------------------------------------------------

    async def _socket(self, web: WebSocket) -> None:
        if not self.knows(web) or len(self.clients) >= MOST_CLIENTS:
            await web.close(1008)
            return
        await web.accept()
        client = Client(web)
        client.put(self._hello())
        self.clients.add(client)
        sending = asyncio.create_task(self._send(client))
        try:
            while client.refused < TOO_MANY:
                message = await web.receive()
                if message["type"] != "websocket.receive":
                    break
                await self._hear(client, message.get("text"))
            else:
                await web.close(1008)
        except (WebSocketDisconnect, RuntimeError, OSError):
            pass
        finally:
            self.clients.discard(client)
            sending.cancel()
            for channel, note in client.holding:  # whoever goes lets go of their keys
                self._post(inbox.pack(time.perf_counter_ns(), PAGE, inbox.MIDI, None, bytes((0x80 | channel, note, 0))))

    async def _send(self, client: Client) -> None:
        try:
            while True:
                await client.socket.send_text(await client.frames.get())
                if client.behind and client.frames.empty():
                    client.behind = False
                    client.put(self._hello())
        except (WebSocketDisconnect, RuntimeError, OSError):
            pass

    def _hello(self) -> str:
        """The state as of now."""
        return self._frame(self.feed.so_far(), hello=True, facts=self._facts())

    def _frame(self, events: list[Any], **more: Any) -> str:
        now = self.feed.ms(time.perf_counter_ns())
        return json.dumps({"now": now, "e": events, **more}, separators=(",", ":"))

    async def _tell(self) -> None:
        """Give every browser what happens, as it happens."""
        next_slow = 0.0
        facts = self.studio.facts
        while True:
            events = self.feed.read()
            if self.feed.take == 0 and not events:
                await self._recall()
            if events:
                frame = self._frame(events)
                for client in self.clients:
                    client.put(frame)
            while self.studio.said:
                said = json.dumps({"told": self.studio.said.popleft()})
                for client in self.clients:
                    client.put(said)
            now = time.monotonic()
            if now >= next_slow or self.studio.facts is not facts:
                facts = self.studio.facts
                next_slow = now + SLOW_S
                self._tell_slow()
            await asyncio.sleep(TURN_S)

    async def _recall(self) -> None:
        """The ring no longer says what this take began with: the store does."""
        number = self.studio.take
        if number is not None:
            try:
                take = await asyncio.wrap_future(self.studio.ask(lambda store: store.take(number)))
            except LivecomposerError:
                return
            if take.settings is not None:
                self.feed.begin(take.settings)

    def _tell_slow(self) -> None:
        slow = json.dumps({"facts": self._facts()}, separators=(",", ":"))
        if slow != self._slow:
            self._slow = slow
            for client in self.clients:
                client.put(slow)

    def _facts(self) -> dict[str, Any]:
        return {**self.studio.facts, "recording": self.studio.take, "trouble": self.studio.trouble, "pid": os.getpid()}

    # ---- what is asked ---------------------------------------------------------------------------------------------

    async def _hear(self, client: Client, text: str | None) -> None:
        now = time.perf_counter_ns()
        if not client.may():
            return
        try:
            message = asked.parse(text if text is not None else "")
            await self._do(client, message, now)
        except LivecomposerError as error:
            client.put(json.dumps({"error": f"{error}."}))

    async def _do(self, client: Client, message: dict[str, Any], now: int) -> None:
        do = message["do"]
        if do == "rate":
            self._post(inbox.pack(now, PAGE, inbox.RATE, float(message["value"])))
        elif do == "command":
            self._post(inbox.command(now, PAGE, message["name"], message.get("value")))
        elif do == "midi":
            self._play(client, bytes(message["data"]), now)
        elif do == "ping":
            client.put(json.dumps({"pong": message["t"], "now": self.feed.ms(now)}))
        elif do == "port":
            self.studio.tell("port", {"side": message["side"], "name": message["name"]})
        elif do == "learn":
            self.studio.tell("learn", message["step"])
        elif do == "wav":
            self._sound(client, message["take"])
        elif do == "save":
            self.studio.tell("save", None)
        elif do in ("doctor", "explain"):
            self._tool(do)
        else:
            await self._takes(client, message)

    def _play(self, client: Client, data: bytes, now: int) -> None:
        key = (data[0] & 15, data[1])
        if data[0] & 0xF0 == 0x90 and data[2]:
            client.holding.add(key)
        elif data[0] & 0xF0 in (0x80, 0x90):
            client.holding.discard(key)
        self._post(inbox.pack(now, PAGE, inbox.MIDI, None, data))

    def _post(self, data: bytes) -> None:
        """An entry for the instrument; one that it cannot take just now is lost (it is being started again)."""
        pipe = self.studio.commands
        if pipe is not None:
            try:
                pipe.send_bytes(data)
            except (OSError, ValueError):
                pass

    async def _takes(self, client: Client, message: dict[str, Any]) -> None:
        do, take = message["do"], message.get("take", 0)

        def work(store: Store) -> list[dict[str, Any]]:
            if do == "delete" and take == self.studio.take:
                raise SettingsError("this take is being recorded; it can be deleted when it is over")
            if do == "rename":
                store.rename(take, message["name"])
            elif do == "star":
                store.star(take, message["on"])
            elif do == "delete":
                store.delete(take, time.time())
            elif do == "undelete":
                store.bring_back()
            return [_listed(found) for found in store.takes()]

        takes = await asyncio.wrap_future(self.studio.ask(work))
        client.put(json.dumps({"takes": takes, "database": str(self._database.name)}))

    def _sound(self, client: Client, take: int) -> None:
        """Have a take's sound made; who asked is told how far it is, and ends it by going away."""
        self.sounds.begin(
            take, lambda **what: client.put(json.dumps({"wav": {"take": take, **what}})),
            lambda: client in self.clients,
        )  # fmt: skip

    def _tool(self, do: str) -> None:
        """Run a command of ours for all browsers, one of each at a time."""
        running = self._tools.get(do)
        if running is None or running.done():
            self._tools[do] = asyncio.create_task(self._run(do))

    async def _run(self, do: str) -> None:
        name = str(self.studio.facts.get("taste", "mine"))
        words = ["doctor", "--json"] if do == "doctor" else ["tastes", "explain", "--json", "--", name]
        process = await asyncio.create_subprocess_exec(
            *OWN, *words, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            out, err = await asyncio.wait_for(process.communicate(), TOOL_S)
        except TimeoutError:
            process.kill()
            out, err = b"", b"it takes too long"
        try:
            answer: Any = json.loads(out)
        except ValueError:
            answer = {"problem": err.decode(errors="replace").strip()[-300:]}
        for client in self.clients:
            client.put(json.dumps({do: answer}))


class _Gate:
    """Before anything else: who asks, and by what name. After: the headers that keep a browser from being misled."""

    def __init__(self, app: ASGIApp, page: Page) -> None:
        self._app = app
        self._page = page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        names = self._page.names()
        origins = [f"http://{name}" for name in names]
        origin = headers.get("origin")
        own = headers.get("host") in names and (origin in origins if origin is not None else scope["type"] == "http")
        own = own and headers.get("sec-fetch-site", "none") in ("none", "same-origin")
        if not own:
            if scope["type"] == "websocket":
                await receive()
                await send({"type": "websocket.close", "code": 1008})
            else:
                await PlainTextResponse("This page answers to its own address only.", 403)(scope, receive, send)
            return

        async def dress(message: Any) -> None:
            if message["type"] == "http.response.start":
                sockets = " ".join(f"ws://{name}" for name in names)
                policy = (
                    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
                    f"connect-src 'self' {sockets}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
                )
                given = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                kept = [(name, value) for name, value in message["headers"] if name.lower() not in dict(given)]
                message["headers"] = [*kept, *given, (b"content-security-policy", policy.encode())]
            await send(message)

        await self._app(scope, receive, dress)


def _mid(store: Store, take: Take) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "take.mid"
        write_mid(store, take, path)
        return path.read_bytes()


_EXPORTS: dict[str, tuple[Callable[[Store, Take], bytes], str]] = {
    "mid": (_mid, "audio/midi"),
    "csv": (lambda store, take: table(store, take).encode(), "text/csv; charset=utf-8"),
    "json": (lambda store, take: json.dumps(roll(store, take)).encode(), "application/json"),
}


def _listed(take: Take) -> dict[str, Any]:
    return {
        "id": take.id, "title": take.title, "name": take.name, "began": take.began, "seconds": round(take.seconds, 1),
        "role": take.role, "player": take.player, "agent": take.agent, "ratings": take.ratings + take.pairs,
        "liking": take.liking, "star": take.star, "ended": take.ended,
    }  # fmt: skip
