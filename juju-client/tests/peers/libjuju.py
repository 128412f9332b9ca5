"""PyPI's juju 3.6.1.3 against the controller that argv names.

By the client store that JUJU_DATA names: log in to its current controller and current model. On the first model: connect, status, units,
wait, add a unit, config, action. On the second, which is empty: deploy a local charm with its resource, a charm of the store and a bundle,
wait, run an action of the local charm, upload the resource anew, offer an endpoint, and consume it on the first model."""
import asyncio
import io
import pathlib
import sys

from juju.controller import Controller
from juju.model import Model


async def connect(endpoint, uuid, password, ca):
    model = Model()
    await model.connect(endpoint=endpoint, uuid=uuid, username="admin", password=password, cacert=open(ca).read())
    return model


async def adopted(first):
    controller = Controller()
    await controller.connect()
    try:
        models = await controller.list_models()
        assert "openstack" in models, models
    finally:
        await controller.disconnect()
    model = Model()
    await model.connect()
    try:
        assert model.info.uuid == first, model.info.uuid
        print("the store leads to", models, "and", model.info.name)
    finally:
        await model.disconnect()


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
        await model.deploy(str(folder / "mine"), application_name="mine", num_units=1, resources={"blob": str(folder / "blob.txt")})
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
        mine = model.applications["mine"]
        with open(folder / "blob.txt", "rb") as blob:
            mine.attach_resource("blob", "blob.txt", io.BytesIO(blob.read() + b" and more"))
        print("a resource is uploaded anew")
        await model.create_offer("mine:site", offer_name="site")
        offers = await model.list_offers()
        assert [o.offer_name for o in offers.results] == ["site"], offers
    finally:
        await model.disconnect()


async def consume(model):
    try:
        name = await model.consume("admin/empty.site", application_alias="far")
        status = await model.get_status()
        assert name == "far" and "far" in status.remote_applications, status.remote_applications
        print("consumed", status.remote_applications["far"].offer_url)
    finally:
        await model.disconnect()


async def main(endpoint, first, password, ca, second, folder):
    await adopted(first)
    await deployed(await connect(endpoint, first, password, ca))
    await empty(await connect(endpoint, second, password, ca), pathlib.Path(folder))
    await consume(await connect(endpoint, first, password, ca))
    print("done")


asyncio.run(main(*sys.argv[1:]))
