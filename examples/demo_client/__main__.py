"""Serve the demo client on this machine."""

import sys
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from examples.demo_client.settings import SettingsError, read_settings
from examples.demo_client.web import DemoClient


class ThreadingServer(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class QuietHandler(WSGIRequestHandler):
    """No request log: the callback's address holds a code."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name above us
        pass


def main() -> int:
    try:
        settings = read_settings()
    except SettingsError as error:
        print(f"demo client: {error}", file=sys.stderr)
        return 2
    application = DemoClient(settings)
    with make_server(
        "127.0.0.1", settings.port, application,
        server_class=ThreadingServer, handler_class=QuietHandler,
    ) as server:  # fmt: skip
        print(f"demo client: {settings.origin}", flush=True)
        server.serve_forever()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(0)
