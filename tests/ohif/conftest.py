# SPDX-License-Identifier: Apache-2.0
"""The viewer's files on a port of their own, as a hospital would serve them beside the server."""
import functools
import http.server
import os
import pathlib
import sys
import threading

import pytest

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(HERE.parent / "integration"), str(HERE.parent / "interop")]

import server as server_module  # noqa: E402

DIST = pathlib.Path(os.environ.get("COR_OHIF_DIST", ROOT / "build" / "ohif" / "dist"))


class Files(http.server.SimpleHTTPRequestHandler):
    """Files; a path that names none is a route of the viewer, and so its page."""

    archive = ""

    def do_GET(self):
        path = pathlib.Path(self.translate_path(self.path))
        if path.name == "app-config.js":
            self.send_text((HERE / "app-config.js").read_text().replace("ARCHIVE", self.archive))
            return
        if not path.is_file() and not path.suffix:
            self.path = "/index.html"
        super().do_GET()

    def send_text(self, text):
        self.send_response(200)
        self.send_header("Content-Type", "text/javascript")
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def corsia(tmp_path):
    with server_module.Server(tmp_path / "data") as running:
        running.base = running.url + "/dicom-web"
        yield running


@pytest.fixture
def viewer(corsia):
    """The base URL of the viewer, which asks our server from its own origin."""
    assert (DIST / "index.html").is_file(), "tools/ohif fetches the viewer"
    handler = functools.partial(type("FilesOf", (Files,), {"archive": corsia.base}), directory=str(DIST))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as files:
        thread = threading.Thread(target=files.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{files.server_port}/"
        files.shutdown()
        thread.join()
