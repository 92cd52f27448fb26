#!/usr/bin/env python3
"""Ten thousand feeds in one daemon: how long it takes to start, what it costs while nothing is due, and how fast a
wave is worked off in which all of them fall due in the same minute, beside the pace that `max_in_flight` and the
latency of the API allow. Invented people; everything is below a temporary folder, which is removed.

    cargo build --release && benches/scale.py [FEEDS] [LATENCY_MS]
"""

import datetime as dt
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

FEEDS = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
LATENCY = int(sys.argv[2]) if len(sys.argv) > 2 else 100
IN_FLIGHT = 8
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BINARY = os.path.join(ROOT, "target", "release", "rosterd")
HEADER = "Employee ID,First Name,Last Name,Birth Date,Phone,Email,Plan,Street,City,State,Zip\n"


def say(text):
    print(text, flush=True)


def sandbox(folder):
    process = subprocess.Popen(
        [BINARY, "sandbox", "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    address = re.search(r"127\.0\.0\.1:\d+", process.stdout.readline()).group(0)
    threading.Thread(target=lambda: [None for _ in process.stdout], daemon=True).start()
    return process, address


def call(connection, method, path, body=None):
    headers = {"Authorization": "Bearer vit_apk_sandbox", "Content-Type": "application/json"}
    connection.request(method, path, json.dumps(body) if body is not None else None, headers)
    response = connection.getresponse()
    text = response.read()
    assert response.status < 300, (path, response.status, text[:200])
    return json.loads(text)


def write(folder, address, cron):
    inbox = os.path.join(folder, "inbox")
    os.makedirs(inbox, exist_ok=True)
    with open(os.path.join(folder, "api.key"), "w") as out:
        out.write("vit_apk_sandbox")
    fields = [
        ("reference_id", "Employee ID"), ("first_name", "First Name"), ("last_name", "Last Name"),
        ("date_of_birth", "Birth Date"), ("phone", "Phone"), ("email", "Email"), ("plan_id", "Plan"),
        ("address_line_1", "Street"), ("city", "City"), ("state", "State"), ("zipcode", "Zip"),
    ]
    with open(os.path.join(folder, "rosterd.yaml"), "w") as out:
        out.write(f"vitable:\n  base_url: http://{address}\n  api_key: {{ file: api.key }}\n")
        out.write(f"  max_in_flight: {IN_FLIGHT}\n  poll: {{ first: 2s, max: 60s }}\n")
        out.write("state_dir: state\nalerts: none\n")
        out.write(f'defaults: {{ guard: {{ first_sync: submit }}, schedule: {{ cron: "{cron}", timezone: UTC }} }}\n')
        out.write("mappings:\n  hr:\n    fields:\n")
        out.writelines(f"      {name}: {column}\n" for name, column in fields)
        out.write("sources:\n")
        out.writelines(
            f"  s{n:05}:\n    file: {{ path: inbox/{n:05}.csv, settle: 0s, max_age: 36h }}\n    mapping: hr\n"
            for n in range(FEEDS)
        )
        out.write("feeds:\n")
        out.writelines(f"  f{n:05}: {{ sources: [s{n:05}], group: g{n:05} }}\n" for n in range(FEEDS))
    for n in range(FEEDS):
        path = os.path.join(inbox, f"{n:05}.csv")
        if not os.path.exists(path):
            with open(path, "w") as out:
                out.write(HEADER)
                out.writelines(
                    f"E-{n}-{m},Ann{m},Invented{n},1980-04-{m + 1:02},5550{n:05}{m},,pln_gold,{m} Road,Troy,NY,12180\n"
                    for m in range(3)
                )


class Daemon:
    """`rosterd run`, with a notify socket of our own and its log counted as it comes."""

    def __init__(self, folder):
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(os.path.join(folder, "notify"))
        self.ended, self.last, self.bad = 0, 0.0, []
        environment = {**os.environ, "NOTIFY_SOCKET": os.path.join(folder, "notify"), "ROSTERD_LOG_FORMAT": "json"}
        self.began = time.time()
        self.process = subprocess.Popen(
            [BINARY, "--config", os.path.join(folder, "rosterd.yaml"), "run"],
            env=environment, stderr=subprocess.PIPE, text=True,
        )
        threading.Thread(target=self.read, daemon=True).start()
        while b"READY=1" not in self.notify.recv(8192):
            pass
        self.ready = time.time() - self.began

    def read(self):
        for line in self.process.stderr:
            if "the run ended" in line:
                self.ended, self.last = self.ended + 1, time.time()
                if "Done" not in line:
                    self.bad.append(line)
            elif '"ERROR"' in line:
                self.bad.append(line)

    def cpu(self):
        fields = open(f"/proc/{self.process.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self, what):
        text = open(f"/proc/{self.process.pid}/status").read()
        return int(re.search(what + r":\s+(\d+)", text).group(1)) / 1024

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        self.notify.close()


def plain(address, calls=100):
    """What a call takes a plain client, with as many connections as the daemon may use: seconds for each call."""

    def work():
        connection = http.client.HTTPConnection(address)
        for _ in range(calls):
            call(connection, "GET", "/v1/groups?limit=1")
        connection.close()

    workers = [threading.Thread(target=work) for _ in range(IN_FLIGHT)]
    began = time.time()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return (time.time() - began) / calls


def run(folder):
    api, address = sandbox(folder)
    try:
        connection = http.client.HTTPConnection(address)
        for n in range(FEEDS):
            call(connection, "POST", "/v1/groups", {"name": f"g{n:05}", "external_reference_id": f"g{n:05}"})
        call(connection, "PUT", "/sandbox/faults", {"latency_ms": LATENCY, "processing_ms": 0})
        connection.close()
        each_call = plain(address)

        write(folder, address, "0 0 29 2 *")
        daemon = Daemon(folder)
        say(f"start with an empty state, until READY: {daemon.ready:.2f} s")
        daemon.stop()
        os.unlink(os.path.join(folder, "notify"))
        daemon = Daemon(folder)
        say(f"start again, until READY: {daemon.ready:.2f} s")
        time.sleep(5)
        before, began = daemon.cpu(), time.time()
        time.sleep(65)
        share = (daemon.cpu() - before) / (time.time() - began)
        say(f"idle for 65 s: {share:.2%} of a core, {daemon.memory('VmRSS'):.0f} MB")
        daemon.stop()
        os.unlink(os.path.join(folder, "notify"))

        due = (dt.datetime.now(dt.timezone.utc) + dt.timedelta(seconds=80)).replace(second=0, microsecond=0)
        write(folder, address, f"{due.minute} {due.hour} {due.day} {due.month} *")
        daemon = Daemon(folder)
        while daemon.ended < FEEDS:
            assert daemon.process.poll() is None, "the daemon ended"
            time.sleep(1)
        took = daemon.last - due.timestamp()
        peak = daemon.memory("VmHWM")
        cpu = daemon.cpu()
        daemon.stop()
        connection = http.client.HTTPConnection(address)
        calls = [each["call"] for each in call(connection, "GET", "/sandbox/state")["calls"]]
        # Less the groups that were made above, and the calls that measured the latency.
        work = [each for each in calls if each != "create_group"]
        for _ in range(100 * IN_FLIGHT):
            work.remove("list_groups")
        ideal = len(work) * each_call / IN_FLIGHT
        kinds = {kind: work.count(kind) for kind in sorted(set(work))}
        say(f"wave: {FEEDS} feeds in {took:.1f} s; {len(work)} calls {kinds}")
        say(f"a plain client takes {each_call * 1000:.1f} ms for a call, {IN_FLIGHT} at a time")
        say(f"so they take {ideal:.1f} s at least: ratio {took / ideal:.3f}")
        say(f"daemon: {cpu:.1f} s of processor time, peak {peak:.0f} MB; not done: {len(daemon.bad)}")
        for line in daemon.bad[:3]:
            say(line.strip()[:300])
    finally:
        api.kill()
        api.wait()


if __name__ == "__main__":
    place = tempfile.mkdtemp(prefix="rosterd-scale-", dir=os.path.join(ROOT, "target"))
    try:
        run(place)
    finally:
        shutil.rmtree(place, ignore_errors=True)
