#!/usr/bin/env python3
"""studio.py SCENARIO - a page's side of `whisker studio`, for studio.bats: $WHISKER is the command, $F the fixture's files. Ends with 1 and
says what was expected where something is otherwise."""
import http.client
import json
import os
import random
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time


class Studio:
    """A studio that runs, and a client of it that is logged in."""

    def __init__(self, *arguments, login=True):
        self.process = subprocess.Popen([os.environ["WHISKER"], "studio", "--no-open", *arguments],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
        said = ""
        while "#token=" not in said:
            line = self.process.stdout.readline()
            if not line:
                raise AssertionError(f"the studio did not open: {said}{self.process.stderr.read()}")
            said += line
        port, self.token = re.search(r"http://127\.0\.0\.1:(\d+)/#token=([0-9a-f]{64})", said).groups()
        self.port = int(port)
        self.cookie = None
        if login:
            status, _ = self.api("POST", "/login", {"token": self.token})
            is_(status, 200)
            self.cookie = self.headers["Set-Cookie"].split(";")[0]

    def request(self, method, path, body=None, kind="application/json", **headers):
        """Status and answer; a header given as None is left out."""
        all_headers = {"Host": f"127.0.0.1:{self.port}", "Cookie": self.cookie, "Content-Type": kind if body is not None else None,
                       "Origin": None if method == "GET" else f"http://127.0.0.1:{self.port}"}
        all_headers.update({name.replace("_", "-"): value for name, value in headers.items()})
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        client.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in all_headers.items():
            if value is not None:
                client.putheader(name, value)
        if body is not None:
            body = body.encode() if isinstance(body, str) else body
            if "Content-Length" not in all_headers:
                client.putheader("Content-Length", str(len(body)))
        client.endheaders(body)
        answer = client.getresponse()
        self.headers = answer.headers
        data = answer.read()
        client.close()
        try:
            return answer.status, json.loads(data)
        except ValueError:
            return answer.status, data

    def api(self, method, path, body=None, **more):
        return self.request(method, "/api/v1" + path, body, **more)

    def get(self, path):
        status, answer = self.api("GET", path)
        is_(status, 200, path)
        return answer

    def edit(self, *edits):
        status, answer = self.api("POST", "/edits", {"edits": list(edits)})
        is_(status, 200, answer)
        return answer

    def refused(self, status, key, method, path, body=None, **more):
        """The request is answered with that number and key."""
        got, answer = self.api(method, path, body, **more)
        is_((got, answer["error"]["key"] if isinstance(answer, dict) and "error" in answer else answer), (status, key), f"{method} {path}")
        return answer["error"]

    def job(self, kind, **options):
        status, answer = self.api("POST", "/jobs", {"kind": kind, "options": options})
        is_(status, 202, answer)
        return answer

    def wait(self, job):
        for _ in range(1200):
            answer = self.get(f"/jobs/{job}")
            if answer["state"] in ("done", "failed"):
                return answer
            time.sleep(0.05)
        raise AssertionError(f"job {job} does not end")

    def done(self, kind, **options):
        answer = self.wait(self.job(kind, **options)["job"])
        is_(answer["state"], "done", answer["error"])
        return answer

    def end(self, number=signal.SIGINT):
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=60)
        return self.process.returncode, errors


def is_(found, wanted, what=""):
    if found != wanted:
        raise AssertionError(f"{what}: {found!r} instead of {wanted!r}")


def holds(condition, what):
    if not condition:
        raise AssertionError(what)


def photos():
    """30 photos of two classes, of this test's own."""
    for name in ("dots", "stripes"):
        os.makedirs(f"photos/{name}")
        for i in range(15):
            shutil.copy(f"{os.environ['F']}/photos/{name}/{i:02}.png", f"photos/{name}")
    return "photos"


def state_of(folder):
    """What is in a folder, to see that it stays so."""
    return sorted((root, name, os.stat(os.path.join(root, name)).st_mtime_ns, open(os.path.join(root, name), "rb").read())
                  for root, _, names in os.walk(folder) for name in names)


def fix_photo():
    with open(f"{os.environ['F']}/photos/dots/20.png", "rb") as f:
        return f.read()


# ---- the door ------------------------------------------------------------------------------------------------------


def door():
    s = Studio(photos(), login=False)
    port = s.port
    ours = {"Host": f"127.0.0.1:{port}", "Origin": f"http://127.0.0.1:{port}"}
    for where in ("/state", "/photos", "/photo/1", "/thumbs/96/0.jpg", "/events", "/runs", "/check", "/why?run=1&photo=1", "/nothing"):
        s.refused(401, "login", "GET", where)
    for where in ("/edits", "/undo", "/jobs"):
        s.refused(401, "login", "POST", where, {})
    s.refused(403, "token", "POST", "/login", {"token": "0" * 64})
    s.refused(403, "token", "POST", "/login", {"token": s.token[:-1]})
    s.refused(403, "origin", "POST", "/login", {"token": s.token}, Origin="http://evil.example")
    status, _ = s.api("POST", "/login", {"token": s.token})
    is_(status, 200)
    cookie = s.headers["Set-Cookie"]
    for word in ("HttpOnly", "SameSite=Strict", "Path=/"):
        holds(word in cookie, f"{word} is not in the cookie")
    holds(s.token not in cookie, "the cookie is the token")
    s.cookie = "a=b; " + cookie.split(";")[0]
    is_(s.api("GET", "/state")[0], 200)
    s.refused(401, "login", "GET", "/state", Cookie=cookie.split(";")[0][:-1])
    # another name that leads here, another port, none
    for host in ("evil.example", f"evil.example:{port}", f"127.0.0.1:{port + 1}", "127.0.0.1", f"127.0.0.1.evil.example:{port}", f"0.0.0.0:{port}"):
        s.refused(403, "host", "GET", "/state", Host=host)
    is_(s.api("GET", "/state", Host=f"localhost:{port}")[0], 200)
    is_(s.api("GET", "/state", Host=f"[::1]:{port}")[0], 200)
    # another page, another port of this machine, a file, none; whatever the way
    for origin in ("http://evil.example", f"http://127.0.0.1:{port + 1}", f"https://127.0.0.1:{port}", f"http://localhost:{port}", "null", None):
        s.refused(403, "origin", "POST", "/undo", {}, Origin=origin)
        s.refused(403, "origin", "PUT", "/photo", fix_photo(), kind="image/png", Origin=origin)
        s.refused(403, "origin", "DELETE", "/jobs/1", Origin=origin)
    # a form of another site can send these without asking first
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None):
        s.refused(415, "type", "POST", "/edits", '{"edits":[{"id":1,"class":1}]}', kind=kind)
        s.refused(415, "type", "PUT", "/photo", fix_photo(), kind=kind)
    s.refused(413, "too_large", "POST", "/edits", "{" + " " * (1 << 20) + "}")
    s.refused(413, "too_large", "POST", "/edits", "{}", Content_Length=str((1 << 20) + 1))
    s.refused(413, "too_large", "PUT", "/photo", b"x", kind="image/png", Content_Length=str((64 << 20) + 1))
    s.refused(400, "json", "POST", "/edits", '{"edits":' + "[" * 16 + "]" * 16 + "}")
    s.refused(400, "json", "POST", "/edits", "[]")
    s.refused(400, "json", "POST", "/edits", '{"edits":')
    s.refused(400, "json", "POST", "/edits", '{"rev":1,"rev":2}')
    s.refused(405, "method", "PATCH", "/edits", {})
    s.refused(405, "method", "DELETE", "/state")
    s.refused(404, "not_found", "GET", "/nothing")
    for path in ("/../project.json", "/%2e%2e/project.json", "/photos.csv", "//etc/passwd", "/index.html%00", "/api/v1"):
        status, answer = s.request("GET", path)
        is_(status, 404, path)
        policy = s.headers["Content-Security-Policy"]
        for rule in ("default-src 'none'", "script-src 'self';", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"):
            holds(rule in policy, f"{rule} is not in the policy")
        is_((s.headers["X-Content-Type-Options"], s.headers["Referrer-Policy"], s.headers["Access-Control-Allow-Origin"]), ("nosniff", "no-referrer", None))
    for path in ("/photo/0", "/photo/31", "/photo/1.png", "/photo/..%2f1", "/photo/-1", "/photo/99999999999999999999"):
        s.refused(404, "no_photo", "GET", path)
    for path in ("/thumbs/96/1.jpg", "/thumbs/96/0.png", "/thumbs/96/..%2f..%2fproject.json", "/jobs/1/files/..%2f..%2fproject.json"):
        is_(s.api("GET", path)[0], 404, path)
    addresses = {line.split()[1].split(":")[0] for table in ("/proc/net/tcp", "/proc/net/tcp6") if os.path.exists(table)
                 for line in open(table).readlines()[1:] if line.split()[3] == "0A" and line.split()[1].endswith(f":{port:04X}")}
    holds(addresses and addresses <= {"0100007F", "00000000000000000000000001000000"}, f"listens on {addresses}")
    # more connections than are taken: the others wait their turn or are turned away, and the studio goes on
    many = [socket.create_connection(("127.0.0.1", port)) for _ in range(40)]
    for one in many:
        one.close()
    time.sleep(0.05)
    is_(s.api("GET", "/state", **ours)[0], 200)
    code, errors = s.end()
    is_((code, errors), (0, ""))


# ---- a project -----------------------------------------------------------------------------------------------------


def edits():
    folder = photos()
    before = state_of(folder)
    s = Studio(folder)
    project = s.get("/state")["project"]
    is_((project["photos"], [c["name"] for c in project["classes"]], project["rev"], project["undo"]), (30, ["dots", "stripes"], 0, False))
    columns = s.get("/photos")
    is_((columns["total"], columns["id"], columns["class"]), (30, list(range(1, 31)), [0] * 15 + [1] * 15))
    answer = s.edit({"id": 1, "class": 1}, {"ids": [2, 3], "removed": True}, {"class": 2, "name": "<img src=x onerror=alert(1)>"}, {"id": 4, "class": 2},
                    {"ids": [5], "part": "val"})
    is_(answer, {"rev": 1, "undo": True, "redo": False})
    s.refused(409, "old_rev", "POST", "/edits", {"rev": 0, "edits": [{"id": 1, "class": 0}]})
    is_(s.get("/photos?filter=removed")["id"], [2, 3])
    is_(s.get("/photos?class=2")["id"], [4])
    is_(s.get("/photos?from=2&count=2")["id"], [5, 6])
    # all or nothing, and what is wrong is told
    whole = s.get("/photos")
    for edit, status, key in (({"id": 31, "class": 0}, 404, "no_photo"), ({"id": 1, "class": 9}, 400, "edit"), ({"id": "1", "class": 0}, 400, "edit"),
                              ({"id": 1, "part": "x"}, 400, "edit"), ({"id": 1}, 400, "edit"), ({"class": 3, "name": "dots"}, 409, "class_exists"),
                              ({"class": 5, "name": "x"}, 400, "edit"), ({"class": 0, "name": None}, 400, "edit"), ({"class": 3, "name": " "}, 400, "edit"),
                              ({"id": 1, "file": "/etc/passwd", "sha256": "0" * 64}, 400, "edit"), (7, 400, "edit")):
        s.refused(status, key, "POST", "/edits", {"edits": [{"id": 9, "class": 1}, edit]})
        is_(s.get("/photos"), whole, f"after {edit}")
    # photos that are dropped in; the same bytes are the same photo
    status, new = s.api("PUT", "/photo?class=1", fix_photo(), kind="image/png")
    is_((status, new["id"], new["copy"]), (201, 31, False))
    status, again = s.api("PUT", "/photo", fix_photo(), kind="image/jpeg")
    is_((status, again["id"], again["copy"]), (200, 31, True))
    s.refused(422, "not_a_photo", "PUT", "/photo", b"<script>alert(1)</script>", kind="image/png")
    status, picture = s.api("GET", "/photo/31?side=100")
    holds(status == 200 and picture[:2] == b"\xff\xd8" and s.headers["Content-Type"] == "image/jpeg", "a photo is a JPEG")
    status, sheet = s.api("GET", "/thumbs/96/0.jpg")
    holds(status == 200 and sheet[:2] == b"\xff\xd8", "a sheet is a JPEG")
    # a formula in a name is none in the table
    s.edit({"class": 3, "name": '=cmd|"/c calc"!A1'}, {"id": 6, "class": 3})
    seen = s.get("/photos"), s.get("/state")["project"]["classes"]
    is_(s.end()[0], 0)
    table = open("photos.studio/photos.csv").read()
    holds('"\'=cmd|""/c calc""!A1"' in table and ",=" not in table, "formulas are not guarded")
    is_(state_of(folder), before, "the photos' folder")
    # another day: everything is there, and can be undone to the very beginning
    s = Studio("photos.studio")
    is_((s.get("/photos"), s.get("/state")["project"]["classes"]), seen)
    for _ in range(3):
        is_(s.api("POST", "/undo", {})[0], 200)
    s.refused(409, "nothing_to_undo", "POST", "/undo", {})
    now = s.get("/photos")
    is_((now["id"], now["class"], now["part"]), (columns["id"], columns["class"], columns["part"]))
    for _ in range(3):
        is_(s.api("POST", "/redo", {})[0], 200)
    s.refused(409, "nothing_to_redo", "POST", "/redo", {})
    again = s.get("/photos")
    is_((again["id"], again["class"], again["part"]), (seen[0]["id"], seen[0]["class"], seen[0]["part"]))
    # a second one on the project
    second = subprocess.run([os.environ["WHISKER"], "studio", folder, "--no-open"], capture_output=True, text=True)
    holds(second.returncode == 1 and "another studio has this project open" in second.stderr, second.stderr)
    s.end()


def killed():
    """Whatever moment the process is killed at, what was acknowledged is there."""
    folder = photos()
    dice = random.Random(7)
    s = Studio(folder)
    labels = s.get("/photos")["class"]
    rev = 0
    for _ in range(int(os.environ.get("KILLS", "12"))):
        victim, last = s.process, time.monotonic() + dice.uniform(0, 0.05)
        asked = None
        try:
            while True:
                asked = dice.randrange(30), dice.randrange(2)
                if time.monotonic() > last:
                    # in the middle of it: the request is on its way
                    client = http.client.HTTPConnection("127.0.0.1", s.port)
                    client.request("POST", "/api/v1/edits", json.dumps({"edits": [{"id": asked[0] + 1, "class": asked[1]}]}),
                                   {"Host": f"127.0.0.1:{s.port}", "Origin": f"http://127.0.0.1:{s.port}", "Cookie": s.cookie,
                                    "Content-Type": "application/json"})
                    time.sleep(dice.uniform(0, 0.002))
                    victim.kill()
                    break
                rev = s.edit({"id": asked[0] + 1, "class": asked[1]})["rev"]
                labels[asked[0]] = asked[1]
        finally:
            victim.kill()
        victim.wait()
        if dice.random() < 0.5:  # a torn line, as a machine that lost its power leaves it
            with open("photos.studio/journal.jsonl", "a") as journal:
                journal.write('{"rev":99,"op":"edit","do":[{"id"')
        s = Studio(folder)
        found = s.get("/photos")
        holds(found["rev"] in (rev, rev + 1), f"revision {found['rev']} after {rev} were acknowledged")
        if found["rev"] == rev + 1:
            labels[asked[0]], rev = asked[1], rev + 1
        is_(found["class"], labels, "the classes")
    s.end()


def faults():
    folder = photos()
    s = Studio(folder)
    # photos that go away behind its back
    os.remove("photos/dots/00.png")
    error = s.refused(410, "photo_missing", "GET", "/photo/1")
    holds(error["file"] == "dots/00.png" and error["fix"], error)
    is_(s.api("GET", "/thumbs/96/0.jpg")[0], 200)
    # a link out of the folder shows nothing
    os.remove("photos/dots/01.png")
    os.symlink("/etc/passwd", "photos/dots/01.png")
    s.refused(403, "outside", "GET", "/photo/2")
    with open("photos/dots/02.png", "wb") as f:
        f.write(b"not a photo")
    s.refused(422, "format", "GET", "/photo/3")
    # the disk is full: nothing is half done, and later it goes on
    soft, hard = resource.prlimit(s.process.pid, resource.RLIMIT_FSIZE)
    size = os.stat("photos.studio/journal.jsonl").st_size
    resource.prlimit(s.process.pid, resource.RLIMIT_FSIZE, (size + 10, hard))
    error = s.refused(507, "disk_full", "POST", "/edits", {"edits": [{"id": 5, "class": 1}]})
    holds(error["file"] and error["fix"], error)
    s.refused(507, "disk_full", "PUT", "/photo", fix_photo(), kind="image/png")
    is_(s.api("GET", "/thumbs/96/0.jpg")[0], 200, "a sheet that cannot be kept")
    is_((s.get("/photos")["class"][4], s.get("/state")["project"]["rev"], os.stat("photos.studio/journal.jsonl").st_size), (0, 0, size))
    resource.prlimit(s.process.pid, resource.RLIMIT_FSIZE, (soft, hard))
    is_(s.edit({"id": 5, "class": 1})["rev"], 1)
    time.sleep(0.3)  # hashes are computed without haste
    s.end()
    # the folder is moved and tidied up: photos are known again by their bytes, with what was said of them
    os.makedirs("elsewhere")
    os.rename("photos", "elsewhere/mine")
    os.rename("elsewhere/mine/dots/04.png", "elsewhere/mine/stripes/renamed.png")
    s = Studio("elsewhere/mine", "--project", "photos.studio")
    columns = s.get("/photos")
    at = dict(zip(columns["id"], columns["class"]))
    is_((at[5], s.api("GET", "/photo/5")[0], columns["total"]), (1, 200, 30))
    s.end()
    s = Studio("photos.studio")
    is_(s.get("/state")["project"]["root_missing"], False)
    s.end()
    os.rename("elsewhere", "gone")
    s = Studio("photos.studio")
    is_(s.get("/state")["project"]["root_missing"], True)
    s.refused(410, "folder_missing", "GET", "/photo/5")
    s.end()
    # nobody's project is taken for one, and a broken one is left alone
    for name, text in (("project.json", "{}"), ("photos.csv", "id,file\n1,x\n"), ("journal.jsonl", "x\n{}\n")):
        shutil.rmtree("broken", ignore_errors=True)
        shutil.copytree("photos.studio", "broken")
        with open(f"broken/{name}", "w") as f:
            f.write(text)
        done = subprocess.run([os.environ["WHISKER"], "studio", "broken", "--no-open"], capture_output=True, text=True)
        holds(done.returncode == 1 and name in done.stderr, f"{name}: {done.stderr}")
        is_(open(f"broken/{name}").read(), text, name)


# ---- jobs ----------------------------------------------------------------------------------------------------------


def jobs():
    backbone = os.environ["F"] + "/backbone.safetensors"
    s = Studio(photos(), "--backbone", backbone)
    s.edit({"id": 1, "part": "test"}, {"id": 30, "part": "test"}, {"ids": [2, 3], "removed": True})
    run = s.done("train", mode="quick")
    is_((run["run"], run["result"]["train"] + run["result"]["val"]), (1, 26))
    one = s.get("/runs/1")
    is_((one["judged"] + one["learned"], one["test"]["judged"], one["learned"] <= one["train"]), (28, 2, True))
    is_(sum(n for _, _, n in one["confusion"]), one["judged"])
    is_(sum(c["photos"] for c in one["per_class"]), one["judged"])
    right = sum(n for truth, said, n in one["confusion"] if truth == said)
    holds(abs(one["right"]["value"] - right / one["judged"]) < 1e-9 and one["right"]["low"] < one["right"]["high"], one["right"])
    rows = s.get("/runs/1/rows")
    is_((rows["total"], any(rows["learned"])), (one["judged"], False))
    is_(s.get("/runs/1/rows?learned=1")["total"], 28)
    is_(s.get("/runs/1/rows?filter=wrong")["total"], one["judged"] - right)
    promise = s.get("/runs/1/promise?wrong=1")
    is_((promise["needed"], promise["held"], promise["chosen_on"] + promise["judged_on"]), (299, False, one["judged"]))
    s.refused(400, "argument", "GET", "/runs/1/promise?wrong=0")
    s.refused(404, "no_run", "GET", "/runs/2")
    # the page's numbers are the command's
    said = subprocess.run([os.environ["WHISKER"], "predict", "photos.studio/runs/0001/model.whisker", "photos/dots/00.png", "--json"],
                          capture_output=True, text=True, check=True)
    top = json.loads(said.stdout)["predictions"][0]["top"][0]
    with open("photos/dots/00.png", "rb") as f:
        status, tried = s.api("POST", "/try?run=1&threshold=1", f.read(), kind="image/png")
    is_((status, tried["top"][0]["name"], tried["unsure"]), (200, top["label"], True))
    holds(abs(tried["top"][0]["p"] - top["p"]) < 1e-6, f"{tried['top'][0]} and {top}")
    shown = dict(zip(rows["id"], zip(rows["predicted"], rows["p"])))[1]
    is_(shown[0], tried["top"][0]["class"])
    holds(abs(shown[1] - top["p"]) < 1e-5, f"{shown} and {top}")
    holds(tried["alike"] and all(x["id"] not in rows["id"] for x in tried["alike"]), "the photos most alike are of those it learned from")
    s.refused(422, "not_a_photo", "POST", "/try?run=1", b"no", kind="image/png")
    status, why = s.api("GET", "/why?run=1&photo=1")
    holds(status == 200 and why[:2] == b"\xff\xd8" and 0 <= json.loads(s.headers["X-Whisker"])["share"] <= 1, why)
    # what comes from the page names no file
    for options in ({"backbone": backbone}, {"backbone": 1}):
        s.refused(400, "argument", "POST", "/jobs", {"kind": "train", "options": options})
    s.refused(404, "no_run", "POST", "/jobs", {"kind": "map", "options": {"run": 7}})
    s.refused(404, "no_photo", "POST", "/jobs", {"kind": "attack", "options": {"run": 1, "photo": 99}})
    s.refused(400, "argument", "POST", "/jobs", {"kind": "rm -rf"})
    attack = s.done("attack", run=1, photo=1, eps=8, steps=5)
    for name in attack["result"]["files"]:
        status, file = s.api("GET", f"/jobs/{attack['id']}/files/{name}")
        holds(status == 200 and file[1:4] == b"PNG", name)
    holds(attack["result"]["report"]["linf_255"] <= 8, attack)
    places = s.done("map", run=1)["result"]
    is_((len(places["id"]), min(places["x"]) >= 0, max(places["y"]) <= 1), (28, True, True))
    export = s.done("export", run=1, format="onnx")
    is_(export["result"]["report"]["compared"], True)
    s.done("check")
    holds("findings" in s.get("/check"), "the doctor's report")
    # two runs side by side; the same twice differs in nothing
    s.done("train", mode="quick")
    same = s.get("/compare?a=1&b=2")
    is_((same["photos"], same["better"], same["worse"]), (one["judged"], 0, 0))
    # the studio is closed and opened: runs are there, and what they said of photos
    s.end()
    s = Studio("photos.studio", "--backbone", backbone)
    is_([r["run"] for r in s.get("/runs")["runs"]], [1, 2])
    holds(any(p is not None for p in s.get("/photos")["p"]), "probabilities of the last run")
    s.end()


def processes():
    """Jobs that are stopped, that die, and a studio that ends while one runs; events, also after a pause."""
    s = Studio(photos(), "--backbone", os.environ["F"] + "/backbone.safetensors")
    first = s.job("train", mode="better", epochs=1000)
    second = s.job("check")
    is_(s.api("DELETE", f"/jobs/{second['job']}")[0], 202)
    is_(s.wait(second["job"])["cancelled"], True)
    s.refused(404, "no_job", "DELETE", "/jobs/99")
    listener = http.client.HTTPConnection("127.0.0.1", s.port, timeout=30)
    listener.request("GET", "/api/v1/events?after=0", headers={"Host": f"127.0.0.1:{s.port}", "Cookie": s.cookie})
    stream = listener.getresponse()
    is_(stream.headers["Content-Type"], "text/event-stream")
    number, epochs = 0, 0
    while epochs < 3:
        line = stream.readline().decode()
        holds(line, "the events end")
        if line.startswith("id: "):
            is_(int(line[4:]), number + 1, "the number of an event")
            number += 1
        epochs += line == "event: epoch\n"
    listener.close()
    is_(s.api("DELETE", f"/jobs/{first['job']}")[0], 202)
    kept = s.wait(first["job"])
    is_((kept["state"], kept["result"]["stopped"]), ("done", True), kept)
    holds(kept["result"]["history"], "the epochs until then")
    listener = http.client.HTTPConnection("127.0.0.1", s.port, timeout=30)
    listener.request("GET", "/api/v1/events", headers={"Host": f"127.0.0.1:{s.port}", "Cookie": s.cookie, "Last-Event-ID": str(number)})
    stream = listener.getresponse()
    while not (line := stream.readline().decode()).startswith("id: "):
        pass
    is_(int(line[4:]), number + 1, "the event after the last that was seen")
    listener.close()
    # its process is killed
    dying = s.job("train", mode="better", epochs=1000)
    child = None
    while child is None:
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as f:
                    words = f.read().split(b"\0")
            except OSError:
                continue
            if b"--job" in words and words[words.index(b"--job") + 1] == os.path.realpath(f"photos.studio/runs/{dying['run']:04}").encode():
                child = int(pid)
    os.kill(child, signal.SIGKILL)
    is_(s.wait(dying["job"])["error"]["key"], "job_killed")
    s.refused(404, "no_run", "GET", f"/runs/{dying['run']}")
    # the studio ends while one runs: nothing is left behind
    s.job("train", mode="better", epochs=1000)
    time.sleep(0.2)
    is_(s.end()[0], 0)
    is_(subprocess.run(["pgrep", "-f", os.path.realpath("photos.studio/runs")], capture_output=True).returncode, 1, "a job outlives the studio")


if __name__ == "__main__":
    studio = None
    {f.__name__: f for f in (door, edits, killed, faults, jobs, processes)}[sys.argv[1]]()
