# SPDX-License-Identifier: Apache-2.0
"""Debian's Orthanc with its DICOMweb plugin: on free loopback ports, in a folder of its own, stopped by its pid."""
import contextlib
import json
import os
import pathlib
import subprocess

import requests

from server import free_port, until

BINARY = "/usr/sbin/Orthanc"
PLUGIN = "/usr/share/orthanc/plugins/libOrthancDicomWeb.so"


class Orthanc:
    """One Orthanc; peers are DICOMweb servers that it knows by name: {"corsia": base URL}."""

    def __init__(self, folder, peers=None, **config):
        self.folder = pathlib.Path(folder)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.base = self.url + "/dicom-web"
        self.process = None
        self.config = {
            "Name": "INTEROP", "StorageDirectory": str(self.folder / "db"), "IndexDirectory": str(self.folder / "db"),
            "TemporaryDirectory": str(self.folder / "tmp"), "HttpPort": self.port, "HttpBindAddresses": ["127.0.0.1"],
            "RemoteAccessAllowed": False, "AuthenticationEnabled": False, "DicomServerEnabled": False,
            "OverwriteInstances": False, "Plugins": [PLUGIN], "HttpTimeout": 60,
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/",
                         "Servers": {name: [base + "/"] for name, base in (peers or {}).items()}}, **config}

    def start(self):
        (self.folder / "tmp").mkdir(parents=True)
        path = self.folder / "orthanc.json"
        path.write_text(json.dumps(self.config))
        with open(self.folder / "log", "wb") as log:
            self.process = subprocess.Popen([BINARY, str(path)], stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                            cwd=self.folder, env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"})
        try:
            until(self._answers, 60, "Orthanc")
        except AssertionError:
            self.stop()
            raise
        return self

    def _answers(self):
        if self.process.poll() is not None:
            raise AssertionError(f"Orthanc ended with {self.process.returncode}: {self.tail()}")
        with contextlib.suppress(requests.RequestException):
            return requests.get(self.base + "/studies", timeout=5).status_code == 200
        return False

    def tail(self):
        return (self.folder / "log").read_text(errors="replace")[-2000:]

    def stop(self):
        """It needs some seconds."""
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()
