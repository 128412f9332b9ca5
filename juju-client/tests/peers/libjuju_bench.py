"""PyPI's juju 3.6.1.3: the full status of the model, and many calls at a time, on the connection that argv names. Prints seconds."""
import asyncio
import sys
import time

from juju.client import client
from juju.client.connection import Connection


async def main(endpoint, uuid, password, ca, rounds, calls):
    connection = await Connection.connect(endpoint=endpoint, uuid=uuid, username="admin", password=password, cacert=open(ca).read())
    facade = client.ClientFacade.from_connection(connection)
    best = 1e9
    for _ in range(int(rounds)):
        begin = time.monotonic()
        await facade.FullStatus(patterns=None)
        best = min(best, time.monotonic() - begin)
    pinger = client.PingerFacade.from_connection(connection)
    begin = time.monotonic()
    await asyncio.gather(*[pinger.Ping() for _ in range(int(calls))])
    print("status", best, "calls", time.monotonic() - begin)
    await connection.close()


asyncio.run(main(*sys.argv[1:]))
