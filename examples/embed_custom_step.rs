//! Embedding: a step of one's own between two of the mission's (an inventory of the nodes, written
//! after they are commissioned and before they are bridged), and a bundle of one's own.

use std::path::{Path, PathBuf};

use cloudboot::config::Loader;
use cloudboot::engine::*;
use cloudboot::steps::{Mission, Site, nodes::Node};
use cloudboot::testing::Lab;

/// The nodes as an Ansible inventory in this file.
struct Inventory(PathBuf);

fn text(nodes: &[Node]) -> String {
    let names: Vec<_> = nodes.iter().map(|node| node.name.as_str()).collect();
    format!("[compute]\n{}\n", names.join("\n"))
}

fn failed(error: std::io::Error) -> Error {
    Error::terminal("write the inventory", error.to_string()).because(error)
}

#[async_trait]
impl Step for Inventory {
    type Needs = Vec<Node>;
    type Output = PathBuf;

    fn id(&self) -> StepId {
        "site.inventory".into()
    }

    fn about(&self) -> String {
        "write the nodes into an inventory".into()
    }

    async fn observe(&self, nodes: &Vec<Node>, _: &Context) -> Result<Observation<PathBuf>, Error> {
        Ok(match std::fs::read_to_string(&self.0) {
            Ok(found) if found == text(nodes) => Observation::Satisfied(self.0.clone()),
            Ok(_) => Observation::drifted(["the inventory names other nodes"]),
            Err(error) => Observation::absent(error.to_string()),
        })
    }

    async fn apply(&self, nodes: &Vec<Node>, cx: &Context) -> Result<(), Error> {
        cx.intend("write the inventory").await?;
        std::fs::write(&self.0, text(nodes)).map_err(failed)
    }

    async fn undo(&self, _: &Vec<Node>, _: &Context) -> Result<Undo, Error> {
        std::fs::remove_file(&self.0).map_err(failed)?;
        Ok(Undo::removed("the inventory"))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let lab = Lab::builder(".cloudboot/embedded")
        .speed(600.0)
        .start()
        .await?;
    let mut loader =
        Loader::new().overlay_text("juju: {bundle: small.bundle.yaml}", here.join("configs"));
    for overlay in &lab.operator().overlays {
        loader = loader.overlay(overlay);
    }
    let config = loader.load(&lab.operator().config)?;

    let mut mission = Mission::new(Site::new(config, lab.host()))?;
    let handles = mission.handles.clone();
    let inventory = Inventory(lab.operator().folder.join("inventory.ini"));
    let inventory = mission.graph.add(inventory, &handles.nodes);
    mission.graph.after(&handles.bridges, &inventory);
    let builder = mission.engine().await?.clock(lab.clock());
    let engine = builder.approvals(Approvals::AllowAll).build()?;
    let report = engine.run().await?;
    println!("{:?}; {:?}", report.outcome, engine.output(&inventory));
    Ok(())
}
