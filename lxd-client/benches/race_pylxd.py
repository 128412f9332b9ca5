"""The half of `benches/race.rs` that is done by pylxd: `race_pylxd.py SOCKET POOL MANY WHAT`.

Prints the seconds that each thing took, as JSON. WHAT is `cycle` (MANY instances made and deleted,
as pylxd's documentation does it: one after the other, `wait=True`), or `states` (the states of all instances whose name begins with
`race-state`: one read each, as `Instance.state()` is).
"""

import json
import sys
import time

from pylxd import Client

socket, pool, many, what = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]


def connect():
    return Client(endpoint="http+unix://" + socket.replace("/", "%2F"))


def body(name):
    return {
        "name": name,
        "source": {"type": "none"},
        "profiles": [],
        "devices": {"root": {"type": "disk", "pool": pool, "path": "/"}},
    }


client = connect()
began = time.monotonic()
if what == "cycle":
    made = [client.instances.create(body("race-py-%d" % n), wait=True) for n in range(many)]
    for instance in made:
        instance.delete(wait=True)
elif what == "states":
    mine = [i for i in client.instances.all() if i.name.startswith("race-state")]
    states = [i.state().status for i in mine]
    assert len(states) == many and set(states) == {"Stopped"}, states[:3]
print(json.dumps({"seconds": time.monotonic() - began}))
