"""PyPI's juju 3.6.1.3 against the controller that argv names.

On the first model: connect, status, units, wait, add a unit, config, action. On the second, which is empty: deploy a local charm, a charm of
the store and a bundle, wait, run an action of the local charm."""
import asyncio
import pathlib
import sys

from juju.model import Model


async def connect(endpoint, uuid, password, ca):
    model = Model()
    await model.connect(endpoint=endpoint, uuid=uuid, username="admin", password=password, cacert=open(ca).read())
    return model


async def deployed(model):
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


async def empty(model, folder):
    try:
        await model.deploy(str(folder / "mine"), application_name="mine", num_units=1)
        print("a local charm is deployed")
        await model.deploy("web", application_name="shop", num_units=1)
        print("a charm of the store is deployed")
        await model.deploy(str(folder / "bundle.yaml"))
        print("a bundle is deployed")
        await model.wait_for_idle(apps=["mine", "shop", "front", "db"], status="active", timeout=40, idle_period=1, check_freq=0.2)
        print("applications", sorted(model.applications), "units", len(model.units), "relations", len(model.relations))
        assert len(model.applications["db"].units) == 2
        assert model.applications["mine"].data["charm-url"].startswith("local:"), model.applications["mine"].data
        action = await (await model.units["mine/0"].run_action("get-admin-password")).wait()
        assert action.status == "completed", action.status
    finally:
        await model.disconnect()


async def main(endpoint, first, password, ca, second, folder):
    await deployed(await connect(endpoint, first, password, ca))
    await empty(await connect(endpoint, second, password, ca), pathlib.Path(folder))
    print("done")


asyncio.run(main(*sys.argv[1:]))
