"""A door between a product and its database that can be shut and opened again.

The database itself stays up, so that runs side by side are not disturbed.
"""

import asyncio
import threading
from contextlib import suppress
from typing import Self
from urllib.parse import parse_qs, quote, unquote, urlsplit


class Door:
    """Passes on what it gets at `url` to the server of the URL it was made from.

    `shut`: every connection is reset and new ones are refused. `open`: as before.
    """

    def __init__(self, database_url: str) -> None:
        self._target = urlsplit(database_url)
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._pipes: set[asyncio.StreamWriter] = set()
        self.port = 0

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.shut()
        self._run(self._leave())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def url(self) -> str:
        """The database's URL, by way of this door."""
        target = self._target
        password = quote(unquote(target.password or ""), safe="")
        return f"postgresql://{target.username}:{password}@127.0.0.1:{self.port}{target.path}"

    def open(self) -> None:
        self._run(self._open())

    def shut(self) -> None:
        self._run(self._shut())

    def _run(self, work: object) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)  # type: ignore[arg-type]

    async def _open(self) -> None:
        self._server = await asyncio.start_server(self._pass, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _shut(self) -> None:
        if self._server is not None:
            self._server.close()
        for pipe in list(self._pipes):
            pipe.transport.abort()

    async def _leave(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs, ours = await self._connect()
        self._pipes |= {writer, ours}
        await asyncio.gather(self._pump(reader, ours), self._pump(theirs, writer))
        self._pipes -= {writer, ours}

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        query = {name: values[-1] for name, values in parse_qs(self._target.query).items()}
        port = int(query.get("port") or self._target.port or 5432)
        host = query.get("host") or self._target.hostname or ""
        if host.startswith("/"):
            return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        return await asyncio.open_connection(host or "127.0.0.1", port)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.CancelledError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        with suppress(ConnectionError, RuntimeError):
            writer.close()
