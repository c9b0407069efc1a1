"""The web page: a local server, and the Dash application that it serves."""

import logging
import uuid
from collections.abc import Iterator
from pathlib import Path

from dash import Dash
from flask import Response, request
from werkzeug.serving import WSGIRequestHandler, make_server

from ..session import Session
from .actions import COOKIE, Actions, seat_key
from .browsers import Browsers
from .callbacks import fault, register
from .guard import new_token, protect
from .layout import INDEX, layout

HOST = "127.0.0.1"


class Page:
    """A server of the page, bound to a port of 127.0.0.1; port 0 takes a free one.

    Attributes:
        address: Of the page, its token included.
    """

    def __init__(
        self, session: Session, run: Path, *, port: int = 0, browsers: Browsers | None = None
    ) -> None:
        problem = session.problem
        token = new_token()
        self.browsers = Browsers(session, run) if browsers is None else browsers
        app = Dash(
            "mtl2r_bench.navigate.web",
            assets_folder=str(Path(__file__).parent / "assets"),
            url_base_pathname=f"/{token}/",
            serve_locally=True,
            index_string=INDEX,
            title=f"Navigate {problem.name}",
            update_title="",
            add_log_handler=False,
            on_error=fault,
        )
        app.layout = layout(problem)
        register(app, problem, Actions(problem, self.browsers))
        self._server = make_server(HOST, port, app.server, threaded=True, request_handler=_Quiet)
        self.port = int(self._server.server_port)
        self.address = f"http://{HOST}:{self.port}/{token}/"
        self._token = token
        protect(app.server, token, self.port, app.csp_hashes())
        app.server.after_request(self._seat)
        app.server.add_url_rule(f"/{token}/leave", "leave", self._leave, methods=["POST"])

    def run(self) -> Iterator[Path]:
        """Serve until interrupted, then save what is not on disk; yields the folders written."""
        try:
            self._server.serve_forever()
        except KeyboardInterrupt:
            logging.getLogger(__name__).debug("interrupted")
        finally:
            self._server.server_close()
            saved = [*self.browsers.save()]
        yield from saved

    def stop(self) -> None:
        """End `run` from another thread."""
        self._server.shutdown()

    def _leave(self) -> Response:
        """Free the seat of a tab that closes; it may have none."""
        self.browsers.leave(
            seat_key(request.cookies.get(COOKIE, ""), request.get_data(as_text=True))
        )
        return Response(status=204)

    def _seat(self, response: Response) -> Response:
        """Give a browser its key, with the page."""
        if response.mimetype == "text/html" and COOKIE not in request.cookies:
            response.set_cookie(
                COOKIE, uuid.uuid4().hex, path=f"/{self._token}/", httponly=True, samesite="Strict"
            )
        return response


class _Quiet(WSGIRequestHandler):
    """A handler that logs no requests: their paths hold the token."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing."""
