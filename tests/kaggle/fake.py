"""A server that speaks as much of Kaggle's protocol as `core.kaggle` uses, for Kaggle's own client to talk to.

The client finds it by its own switches: KAGGLE_API_ENVIRONMENT=LOCALHOST, and HTTP_PROXY for any port.
"""

import ast
import json
import re
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

STORAGE = "http://storage.test"


class Kaggle:
    """What the server holds and how it answers; `log` counts the requests of each kind.

    statuses: of a session, one for each question; the last stays. instead: answers (code, JSON) to give once each in
    the place of the right one, by request. files: what a session leaves. lose_push: drop the connection after a push.
    """

    def __init__(self):
        self.log, self.pushes, self.datasets, self.blobs = Counter(), [], {}, {}
        self.statuses, self.instead, self.files, self.session_log = ["QUEUED", "RUNNING", "COMPLETE"], {}, {}, "[]"
        self.quota, self.lose_push, self.expired, self.page = 30, False, 0, 20
        handler = type("Handler", (_Handler,), {"kaggle": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def settings(self, home):
        """The variables by which the client finds this server, and nothing of the user's own."""
        address = f"http://127.0.0.1:{self.server.server_port}"
        own = {"KAGGLE_USERNAME": "me", "KAGGLE_KEY": "k", "HOME": str(home), "KAGGLE_CONFIG_DIR": str(home)}
        proxy = {"HTTP_PROXY": address, "http_proxy": address, "NO_PROXY": "", "no_proxy": ""}
        return {"KAGGLE_API_ENVIRONMENT": "LOCALHOST", **own, **proxy}

    @property
    def told(self):
        """What the script that was pushed last is told."""
        return ast.literal_eval(re.search(r'^main\((\{.*\}), """$', self.pushes[-1]["text"], re.MULTILINE)[1])

    def answer(self, request, body):
        """(code, JSON) of a request."""
        if self.instead.get(request):
            return self.instead[request].pop(0)
        return getattr(self, request)(body)

    def SaveKernel(self, body):
        self.pushes.append(body)
        slug = body["slug"].partition("/")[2]
        unknown = [name for name in body["datasetDataSources"] if name.partition("/")[2] not in self.datasets]
        return 200, {
            "ref": f"/code/me/{slug}",
            "url": "",
            "versionNumber": 1,
            "error": "",
            "invalidDatasetSources": unknown,
        }

    def GetKernelSessionStatus(self, body):
        if not any(push["slug"] == f"me/{body['kernelSlug']}" for push in self.pushes):
            return 404, {"code": 404, "message": "Kernel not found"}
        return 200, {"status": self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]}

    def ListKernelSessionOutput(self, body):
        start = int(body.get("pageToken") or 0)
        names = sorted(self.files)
        files = [{"url": f"{STORAGE}/{name}", "fileName": name} for name in names[start : start + self.page]]
        more = str(start + self.page) if start + self.page < len(names) else ""
        return 200, {"files": files, "log": self.session_log, "nextPageToken": more}

    def GetAcceleratorQuotaStatistics(self, body):
        return 200, {"gpuQuota": {"timeUsed": "0s", "totalTimeAllowed": f"{self.quota * 3600}s"}}

    def GetDatasetStatus(self, body):
        found = body["datasetSlug"] in self.datasets
        return (200, {"status": "READY"}) if found else (404, {"code": 404, "message": "Dataset not found"})

    def StartBlobUpload(self, body):
        token = f"{len(self.blobs)}"
        self.blobs[token] = [body["name"], b""]
        return 200, {"token": token, "createUrl": f"{STORAGE}/{token}"}

    def CreateDataset(self, body):
        self.datasets[body["slug"]] = dict(self.blobs[file["token"]] for file in body["files"]) | {
            "private": body["isPrivate"]
        }
        return 200, {"status": "ok", "ref": body["slug"], "url": "", "error": ""}


class _Handler(BaseHTTPRequestHandler):
    kaggle: Kaggle

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        request = self.path.rpartition("/")[2]
        self.kaggle.log[request] += 1
        code, answer = self.kaggle.answer(request, body)
        if request == "SaveKernel" and self.kaggle.lose_push:
            self.kaggle.lose_push = False
            self.close_connection = True
            self.connection.close()
            return
        self._send(code, json.dumps(answer).encode(), "application/json")

    def do_PUT(self):
        data = self.rfile.read(int(self.headers["Content-Length"]))
        self.kaggle.blobs[self.path.rpartition("/")[2]][1] = data
        self._send(200, b"", "text/plain")

    def do_GET(self):
        name = self.path.rpartition("/")[2]
        if self.kaggle.expired:
            self.kaggle.expired -= 1
            self._send(403, b"<Error>expired</Error>", "text/xml")
        else:
            self._send(200, self.kaggle.files[name], "application/octet-stream")

    def _send(self, code, data, kind):
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Last-Modified", "Sat, 28 Nov 2026 09:00:00 GMT")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass
