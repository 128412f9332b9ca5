//! Images and aliases.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::stream::iter;
use lxd_client::{Exec, ImageImport, InstanceKind, InstanceSource, Listing, Project};

use crate::image::{image_tarball, split_image};
use crate::stage::{Stage, bodies};

bodies!(
    takes_an_image_in,
    streams_images,
    copies_an_image_from_a_server,
    takes_an_image_of_two_files_in,
);

async fn takes_an_image_in(stage: Stage) {
    let images = stage.lxd.images();
    let tar = image_tarball(&stage.prefix, false);
    let alias = stage.name("a");
    let mut import = ImageImport::alias(&alias);
    import
        .properties
        .insert("purpose".into(), "a test & more".into());
    let fingerprint = images.import(tar.clone(), &import).await.unwrap();
    let image = images.get(&fingerprint[..12]).await.unwrap();
    assert_eq!(image.fingerprint, fingerprint);
    assert_eq!(image.properties["purpose"], "a test & more");
    assert_eq!(images.alias(&alias).await.unwrap().target, fingerprint);
    assert!(
        images
            .list()
            .await
            .unwrap()
            .iter()
            .any(|i| i.fingerprint == fingerprint)
    );
    // The very same image again; and the alias again.
    let error = images
        .import(tar.clone(), &ImageImport::default())
        .await
        .unwrap_err();
    assert!(error.is_conflict(), "{error}");
    let error = images.create_alias(&alias, &fingerprint).await.unwrap_err();
    assert!(
        error.is_conflict() && error.status() == Some(409),
        "{error}"
    );
    let error = images
        .import("no tarball", &ImageImport::default())
        .await
        .unwrap_err();
    assert!(error.operation().is_some(), "{error}");
    // Streamed out, and in again: the same to the byte.
    let out = images.export(&fingerprint).await.unwrap();
    assert_eq!(out.size(), Some(tar.len() as u64));
    assert!(out.bytes().await.unwrap() == tar);
    images
        .modify(&fingerprint, |i| {
            i.properties.insert("release".into(), "second".into());
            i.public = true;
        })
        .await
        .unwrap();
    let image = images.get(&fingerprint).await.unwrap();
    assert!(image.public);
    assert_eq!(image.properties["release"], "second");
    let filter = Listing::new().filter("properties.release eq second");
    let found = images.list_with(&filter).await.unwrap();
    assert!(found.iter().any(|i| i.fingerprint == fingerprint));
    let filter = Listing::new().filter("properties.release eq third");
    assert!(images.list_with(&filter).await.unwrap().is_empty());
    assert!(images.names().await.unwrap().contains(&fingerprint));
    let other = stage.name("b");
    let _ = images.delete_alias(&other).await;
    images.rename_alias(&alias, &other).await.unwrap();
    assert!(images.alias(&alias).await.unwrap_err().is_not_found());
    images.move_alias(&other, &fingerprint).await.unwrap();
    images.rename_alias(&other, &alias).await.unwrap();
    images
        .delete(&fingerprint)
        .await
        .unwrap()
        .wait()
        .await
        .unwrap();
    assert!(images.alias(&alias).await.unwrap_err().is_not_found());
}

/// Pieces of a body, as they would come from somewhere else.
fn pieces(whole: &[u8]) -> impl futures_core::Stream<Item = Result<Bytes, Infallible>> + use<> {
    let pieces: Vec<_> = whole
        .chunks(10_000)
        .map(|piece| Ok(Bytes::copy_from_slice(piece)))
        .collect();
    iter(pieces)
}

async fn streams_images(stage: Stage) {
    let images = stage.lxd.images();
    let tar = image_tarball(&stage.prefix, false);
    let alias = stage.name("a");
    if let Ok(old) = images.alias(&alias).await {
        let deleted = images.delete(&old.target).await.unwrap();
        deleted.wait().await.unwrap();
    }
    let import = ImageImport::alias(&alias);
    let print = images.import_stream(pieces(&tar), &import).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("image.tar");
    let out = images.export(&print).await.unwrap();
    assert_eq!(out.save(&file).await.unwrap(), tar.len() as u64);
    assert!(std::fs::read(&file).unwrap() == tar);
    let deleted = images.delete(&print).await.unwrap();
    deleted.wait().await.unwrap();
    assert_eq!(images.import_file(&file, &import).await.unwrap(), print);
    let deleted = images.delete(&print).await.unwrap();
    deleted.wait().await.unwrap();
    // What is missing, here and there.
    assert!(images.export(&print).await.unwrap_err().is_not_found());
    assert!(images.secret(&print).await.unwrap_err().is_not_found());
    let deleted = images.delete(&print).await.map(|_| ());
    assert!(deleted.unwrap_err().is_not_found());
    let nowhere = images.import_file(&dir.path().join("none"), &import).await;
    assert_eq!(nowhere.unwrap_err().kind(), lxd_client::ErrorKind::Invalid);
}

/// A private image, by a secret, from a server to itself: from one project into another.
async fn copies_an_image_from_a_server(stage: Stage) {
    let url = stage.https().await;
    let project = Project::named(stage.name("p"));
    let within = stage.lxd.project(&project.name).images();
    for image in within.list().await.unwrap_or_default() {
        let deleted = within.delete(&image.fingerprint).await.unwrap();
        deleted.wait().await.unwrap();
    }
    let _ = stage.lxd.projects().delete(&project.name).await;
    let made = stage.lxd.projects().create(&project).await.unwrap();
    made.wait().await.unwrap();
    let images = stage.lxd.images();
    let alias = stage.name("a");
    if let Ok(old) = images.alias(&alias).await {
        let deleted = images.delete(&old.target).await.unwrap();
        deleted.wait().await.unwrap();
    }
    let tar = image_tarball(&stage.prefix, false);
    let print = images
        .import(tar.clone(), &ImageImport::alias(&alias))
        .await
        .unwrap();
    let import = ImageImport::alias("copied");
    let copy = within.copy_between(&stage.lxd, &url, &print[..16], &import);
    copy.await.unwrap().wait().await.unwrap();
    assert_eq!(within.alias("copied").await.unwrap().target, print);
    let out = within.export(&print).await.unwrap();
    assert!(out.bytes().await.unwrap() == tar);
    for images in [&within, &images] {
        let deleted = images.delete(&print).await.unwrap();
        deleted.wait().await.unwrap();
    }
    let deleted = stage.lxd.projects().delete(&project.name).await.unwrap();
    deleted.wait().await.unwrap();
}

async fn takes_an_image_of_two_files_in(stage: Stage) {
    let images = stage.lxd.images();
    let (metadata, rootfs) = split_image(&stage.prefix, stage.real);
    for name in ["a", "vm"] {
        if let Ok(old) = images.alias(&stage.name(name)).await {
            let deleted = images.delete(&old.target).await.unwrap();
            deleted.wait().await.unwrap();
        }
    }
    let import = ImageImport::alias(stage.name("a"));
    let print = images
        .import_split(metadata.clone(), pieces(&rootfs), &import)
        .await
        .unwrap();
    let image = images.get(&print).await.unwrap();
    assert_eq!(image.kind, "container");
    assert_eq!(image.size, (metadata.len() + rootfs.len()) as u64);
    // A container of it runs.
    let instances = stage.lxd.instances();
    let mut new = stage.container("c");
    new.source = InstanceSource::LocalImage(print.clone());
    let made = instances.create(&new).await.unwrap();
    made.wait().await.unwrap();
    let started = instances.start(&new.name).await.unwrap();
    started.wait().await.unwrap();
    let said = instances.exec(&new.name, &Exec::new(["echo", "two"])).await;
    assert_eq!(&said.unwrap().stdout[..], b"two\n");
    instances.delete_forced(&new.name).await.unwrap();
    // Out as two files, and in again: the same to the byte.
    let dir = tempfile::tempdir().unwrap();
    let files = images.export_files(&print, dir.path()).await.unwrap();
    let disk = files.rootfs.unwrap();
    assert!(std::fs::read(&files.metadata).unwrap() == metadata);
    assert!(std::fs::read(&disk).unwrap() == rootfs);
    let deleted = images.delete(&print).await.unwrap();
    deleted.wait().await.unwrap();
    let again = images.import_split_files(&files.metadata, &disk, &import);
    assert_eq!(again.await.unwrap(), print);
    let twice = images.import_split(metadata.clone(), pieces(&rootfs), &import);
    assert!(twice.await.unwrap_err().is_conflict());
    let deleted = images.delete(&print).await.unwrap();
    deleted.wait().await.unwrap();
    // The same two as a virtual machine's.
    let mut import = ImageImport::alias(stage.name("vm"));
    import.kind = InstanceKind::VirtualMachine;
    let print = images
        .import_split(metadata.clone(), pieces(&rootfs), &import)
        .await
        .unwrap();
    assert_eq!(images.get(&print).await.unwrap().kind, "virtual-machine");
    let files = images.export_files(&print, dir.path()).await.unwrap();
    assert!(files.rootfs.unwrap().ends_with("rootfs.img"));
    let deleted = images.delete(&print).await.unwrap();
    deleted.wait().await.unwrap();
    // A unified one is one file; and what is missing is missing here too.
    let whole = image_tarball(&stage.prefix, false);
    let plain = ImageImport::default();
    let print = images.import(whole.clone(), &plain).await.unwrap();
    let files = images.export_files(&print, dir.path()).await.unwrap();
    assert!(files.rootfs.is_none());
    assert!(std::fs::read(&files.metadata).unwrap() == whole);
    let deleted = images.delete(&print).await.unwrap();
    deleted.wait().await.unwrap();
    let missing = images.export_files(&print, dir.path()).await;
    assert!(missing.unwrap_err().is_not_found());
    let broken = images.import_split("no tarball", pieces(b"none"), &import);
    assert!(broken.await.unwrap_err().operation().is_some());
}
