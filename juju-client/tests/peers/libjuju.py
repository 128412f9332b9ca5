"""PyPI's juju 3.6.1.3 against the controller that argv names: connect, status, units, wait, add a unit, config, relate, action."""
import asyncio
import sys

from juju.model import Model


async def main(endpoint, uuid, password, ca):
    model = Model()
    await model.connect(endpoint=endpoint, uuid=uuid, username="admin", password=password, cacert=open(ca).read())
    try:
        status = await model.get_status()
        assert "keystone" in status.applications, status.applications
        await model.wait_for_idle(status="active", timeout=20, idle_period=1, check_freq=0.2)
        print("applications", len(model.applications), "units", len(model.units), "machines", len(model.machines))
        keystone = model.applications["keystone"]
        await keystone.set_config({"region": "R"})
        assert (await keystone.get_config())["region"]["value"] == "R"
        added = await model.applications["rabbitmq-server"].add_unit(count=1)
        print("added", [u.name for u in added])
        action = await model.units["keystone/0"].run_action("get-admin-password")
        action = await action.wait()
        print("action", action.status, action.results.get("admin-password"))
        assert action.status == "completed" and action.results["admin-password"] == "pw"
    finally:
        await model.disconnect()
    print("done")


asyncio.run(main(*sys.argv[1:]))
