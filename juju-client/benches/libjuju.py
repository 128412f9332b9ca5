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


def cpu():
    time.sleep(0.002)
    with open("/proc/self/schedstat") as f:
        return int(f.read().split()[0]) / 1e9


async def main(endpoint, uuid, password, ca, rounds, calls):
    rounds, calls = int(rounds), int(calls)
    connection = await Connection.connect(endpoint=endpoint, uuid=uuid, username="admin", password=password, cacert=open(ca).read())
    facade = client.ClientFacade.from_connection(connection)
    with open("/proc/self/clear_refs", "w") as f:
        f.write("5")
    before = memory("VmRSS:")
    await facade.FullStatus(patterns=None)
    peak = memory("VmHWM:") - before
    status, start = 1e9, cpu()
    for _ in range(rounds):
        begin = time.monotonic()
        await facade.FullStatus(patterns=None)
        status = min(status, time.monotonic() - begin)
    status_cpu = (cpu() - start) / rounds
    frame = json.dumps(await connection.rpc({"type": "Client", "request": "FullStatus", "version": facade.version, "params": {"patterns": None}}))
    start = cpu()
    for _ in range(rounds):
        client.FullStatus.from_json(json.loads(frame)["response"])
    decoding = (cpu() - start) / rounds
    pinger = client.PingerFacade.from_connection(connection)
    fastest, start = 1e9, cpu()
    for _ in range(rounds):
        begin = time.monotonic()
        await asyncio.gather(*[pinger.Ping() for _ in range(calls)])
        fastest = min(fastest, time.monotonic() - begin)
    print("figures", status, status_cpu, decoding, peak, fastest, (cpu() - start) / rounds)
    await connection.close()


asyncio.run(main(*sys.argv[1:]))
