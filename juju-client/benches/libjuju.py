"""PyPI's juju 3.6.1.3 on the connection that argv names: the full status and many calls at a time. Prints seconds and KiB."""
import asyncio
import json
import sys
import time

from juju.client import client
from juju.client.connection import Connection


def memory(key):
    with open("/proc/self/status") as f:
        return next(float(line.split()[1]) for line in f if line.startswith(key))


async def main(endpoint, uuid, password, ca, rounds, calls):
    connection = await Connection.connect(endpoint=endpoint, uuid=uuid, username="admin", password=password, cacert=open(ca).read())
    facade = client.ClientFacade.from_connection(connection)
    before = memory("VmRSS:")
    status = decoding = 1e9
    for _ in range(int(rounds)):
        begin = time.monotonic()
        await facade.FullStatus(patterns=None)
        status = min(status, time.monotonic() - begin)
    peak = memory("VmHWM:") - before
    answer = await connection.rpc({"type": "Client", "request": "FullStatus", "version": facade.version, "params": {"patterns": None}})
    frame = json.dumps(answer)
    for _ in range(int(rounds)):
        begin = time.monotonic()
        client.FullStatus.from_json(json.loads(frame)["response"])
        decoding = min(decoding, time.monotonic() - begin)
    pinger = client.PingerFacade.from_connection(connection)
    fastest = 1e9
    for _ in range(int(rounds)):
        begin = time.monotonic()
        await asyncio.gather(*[pinger.Ping() for _ in range(int(calls))])
        fastest = min(fastest, time.monotonic() - begin)
    print("figures", status, decoding, peak, fastest)
    await connection.close()


asyncio.run(main(*sys.argv[1:]))
