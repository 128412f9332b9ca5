"""The half of `benches/race.rs` that is done by pylxd: `race_pylxd.py ENDPOINT POOL MANY WHAT`.

Prints the seconds that it took, as JSON. ENDPOINT is the unix socket's path, or an https address
(with the client's certificate and key in $RACE_CERT and $RACE_KEY). WHAT is `cycle` (MANY empty instances
made and deleted as pylxd's documentation does it: one after the other, `wait=True`), `threads` (the
same from eight threads of ours: pylxd has no concurrency of its own), `life` (MANY made of an image,
started, stopped by force and deleted, one after the other), `lives` (in eight threads), or `states` (the states of
all instances whose name begins with `race-state`: one read each, as `Instance.state()` is).
"""

import json
import os
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

from pylxd import Client

endpoint, pool, many, what = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
warnings.simplefilter("ignore")  # the server's certificate is of its own making
os.environ.pop("REQUESTS_CA_BUNDLE", None)  # which requests would believe before `verify=False`
os.environ.pop("CURL_CA_BUNDLE", None)


def connect():
    if endpoint.startswith("https:"):
        cert = (os.environ["RACE_CERT"], os.environ["RACE_KEY"])
        return Client(endpoint=endpoint, cert=cert, verify=False)
    return Client(endpoint="http+unix://" + endpoint.replace("/", "%2F"))


def body(n):
    return {
        "name": "race-py-%d" % n,
        "source": {"type": "none"},
        "profiles": [],
        "devices": {"root": {"type": "disk", "pool": pool, "path": "/"}},
    }


def make(n):
    return client.instances.create(body(n), wait=True)


def launch(n):
    new = dict(body(n), source={"type": "image", "alias": "race-image"})
    instance = client.instances.create(new, wait=True)
    instance.start(wait=True)
    return instance


def end(instance):
    instance.stop(force=True, wait=True)
    instance.delete(wait=True)


def delete(instance):
    instance.delete(wait=True)


client = connect()
began = time.monotonic()
if what == "cycle":
    for instance in [make(n) for n in range(many)]:
        delete(instance)
elif what == "threads":
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(make, range(many)))
        list(threads.map(delete, made))
elif what == "life":
    for instance in [launch(n) for n in range(many)]:
        end(instance)
elif what == "lives":
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(end, list(threads.map(launch, range(many)))))
elif what == "states":
    mine = [i for i in client.instances.all() if i.name.startswith("race-state")]
    states = [i.state().status for i in mine]
    assert len(states) == many and set(states) == {"Stopped"}, states[:3]
print(json.dumps({"seconds": time.monotonic() - began}))
