// npm's @canonical/jujulib against the controller that argv names: connect, make a model, status, deploy, status again.
// JUJULIB_DIR holds node_modules. The certificate is verified against the controller's CA, as juju-apiserver.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [address, caFile, password] = process.argv.slice(2);
const modules = join(process.env.JUJULIB_DIR, "node_modules");
const load = async (path) => import(pathToFileURL(join(modules, "@canonical/jujulib/dist/api", path)));
const { connectAndLogin } = await load("client.js");
const facade = async (name) => (await load(`facades/${name}/index.js`)).default;
const W3C = createRequire(join(modules, "x.js"))("websocket").w3cwebsocket;
const ca = readFileSync(caFile, "utf8");

class Socket extends W3C {
  constructor(url) {
    super(url, undefined, undefined, undefined, undefined, {
      maxReceivedFrameSize: 1 << 28,
      maxReceivedMessageSize: 1 << 28,
      tlsOptions: { ca, servername: "juju-apiserver" },
    });
  }
}

const fail = (why) => {
  throw new Error(why);
};
const login = async (path, facades) =>
  connectAndLogin(
    `wss://${address}${path}`,
    { wsclass: Socket, facades: await Promise.all(facades.map(facade)), closeCallback: () => {} },
    { username: "admin", password }
  );

// A wrong password is refused in the words that the library looks for.
await connectAndLogin(
  `wss://${address}/api`,
  { wsclass: Socket, facades: [], closeCallback: () => {} },
  { username: "admin", password: "wrong" }
).then(
  () => fail("a wrong password is taken"),
  (e) => /granted permission/.test(e.message) || fail(e.message)
);

const controller = await login("/api", ["model-manager", "cloud", "controller"]);
const { modelManager, cloud } = controller.conn.facades;
const version = controller.conn.info.serverVersion;
const clouds = Object.keys((await cloud.clouds(null)).clouds);
console.log("connected", version, "clouds", clouds.join(","), "ModelManager", modelManager.version ?? modelManager.VERSION);
const four = version.startsWith("4.");
const made = await modelManager.createModel({
  name: "js",
  "cloud-tag": clouds[0],
  config: {},
  ...(four ? { qualifier: "admin" } : { "owner-tag": "user-admin" }),
});
const listed = (await modelManager.listModels({ tag: "user-admin" }))["user-models"].map((m) => m.model.name);
listed.includes("js") || fail(`models ${listed}`);
const info = (await modelManager.modelInfo({ entities: [{ tag: `model-${made.uuid}` }] })).results[0].result;
info.name === "js" || fail(JSON.stringify(info));

const model = await login(`/model/${made.uuid}/api`, ["client", "application", "charms", "machine-manager", "annotations", "action"]);
const { client, application, charms, machineManager, annotations, action } = model.conn.facades;
const empty = await client.fullStatus({ patterns: [] });
Object.keys(empty.applications).length === 0 || fail("a new model is not empty");
console.log("status", empty.model.name);

for (const [name, units] of [["web", 1], ["database", 2]]) {
  const origin = { source: "charm-hub", type: "", id: "", risk: "stable", architecture: "amd64", base: { name: "ubuntu", channel: "22.04/stable" } };
  const resolved = await charms.resolveCharms({ resolve: [{ reference: name, "charm-origin": origin }] });
  const one = (resolved.Results ?? resolved.results)[0];
  if (one.error) fail(one.error.message);
  const added = await charms.addCharm({ url: one.url, "charm-origin": one["charm-origin"], force: false });
  const results = await application.deploy({
    applications: [
      {
        application: name,
        "charm-url": one.url,
        "charm-origin": added["charm-origin"],
        channel: "stable",
        "num-units": units,
        "config-yaml": "",
        constraints: {},
        config: null,
        placement: null,
        policy: "",
        resources: {},
        Force: false,
      },
    ],
  });
  if (results.results[0].error) fail(results.results[0].error.message);
}
await application.addRelation({ endpoints: ["web:db", "database:db"], "via-cidrs": [] });
await application.expose({ application: "web", "exposed-endpoints": {} });
await annotations.set({ annotations: [{ entity: "application-web", annotations: { "gui-x": "1" } }] });
const noted = await annotations.get({ entities: [{ tag: "application-web" }] });
noted.results[0].annotations["gui-x"] === "1" || fail(JSON.stringify(noted));
const machine = (await machineManager.addMachines({ params: [{ base: { name: "ubuntu", channel: "22.04/stable" }, constraints: {}, jobs: ["JobHostUnits"], "parent-id": "", "container-type": "", "instance-id": "", nonce: "", "hardware-characteristics": {}, addresses: null }] })).machines[0];
if (machine.error) fail(machine.error.message);

// The unknown is refused, in an error of its own.
await application.get({ application: "nope", branch: "" }).then(
  () => fail("an unknown application is there"),
  (e) => /not found/.test(e.message) || fail(e.message)
);

const until = Date.now() + 30000;
let status;
for (;;) {
  status = await client.fullStatus({ patterns: [] });
  const all = Object.values(status.applications).flatMap((a) => Object.values(a.units ?? {}));
  if (all.length === 3 && all.every((u) => u["workload-status"].status === "active" && u["agent-status"].status === "idle")) break;
  if (Date.now() > until) fail(JSON.stringify(status.applications));
  await new Promise((r) => setTimeout(r, 100));
}
console.log("deployed", Object.keys(status.applications).join(","), "machines", Object.keys(status.machines).length, "relations", status.relations.length, "exposed", status.applications.web.exposed);
const queued = await action.enqueueOperation({ actions: [{ tag: "", receiver: "unit-web-0", name: "pause", parameters: {} }] });
console.log("action", queued.actions[0].action.tag, queued.actions[0].status);
model.logout();
controller.logout();
console.log("done");
// Both sockets are closing: nothing more is waited for.
setTimeout(() => process.exit(0), 200);
