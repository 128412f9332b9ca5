//! Commands inside instances, consoles.

use std::time::Duration;

use futures_util::StreamExt;
use lxd_client::{Exec, ExecChunk, Signal};

use crate::stage::{Stage, bodies};

bodies!(
    runs_commands,
    says_who_and_where,
    signals_and_terminals,
    opens_the_console,
);

async fn runs_commands(stage: Stage) {
    let name = stage.running("c").await;
    let instances = stage.lxd.instances();
    let echo = instances
        .exec(&name, &Exec::new(["echo", "hello", "world"]))
        .await
        .unwrap();
    assert_eq!(
        (echo.code, &echo.stdout[..], &echo.stderr[..]),
        (0, &b"hello world\n"[..], &b""[..])
    );
    let both = instances
        .exec(&name, &Exec::shell("echo out; echo err >&2; exit 7"))
        .await
        .unwrap();
    assert_eq!(
        (both.code, &both.stdout[..], &both.stderr[..]),
        (7, &b"out\n"[..], &b"err\n"[..])
    );
    let none = instances
        .exec(&name, &Exec::new(["/no/such/program"]))
        .await
        .unwrap();
    assert_eq!(none.code, 127);
    assert_eq!(
        instances
            .exec(&name, &Exec::new(["false"]))
            .await
            .unwrap()
            .code,
        1
    );
    // More than any buffer in between, both ways at once.
    let big: Vec<u8> = (0..3_000_000u32).map(|n| (n % 253) as u8).collect();
    let cat = instances
        .exec(&name, &Exec::new(["cat"]).stdin(big.clone()))
        .await
        .unwrap();
    assert_eq!(cat.code, 0);
    assert!(
        cat.stdout == big,
        "{} of {} bytes came back",
        cat.stdout.len(),
        big.len()
    );
    // Quick ones, beside each other: the daemon has said everything and gone before it is heard.
    let quick = (0..60).map(|n| {
        let (instances, name) = (&instances, &name);
        async move {
            let exec = Exec::new(["echo", "again"]);
            let out = instances.exec(name, &exec).await.unwrap();
            assert_eq!(out.code, 0);
            let said = String::from_utf8_lossy(&out.stdout);
            assert_eq!(said.trim_end(), "again", "exec {n}");
        }
    });
    futures_util::stream::iter(quick)
        .buffer_unordered(6)
        .collect::<Vec<()>>()
        .await;
    instances
        .stop_forced(&name)
        .await
        .unwrap()
        .wait()
        .await
        .unwrap();
    let error = instances
        .exec(&name, &Exec::new(["true"]))
        .await
        .unwrap_err();
    assert!(error.message().contains("not running"), "{error}");
    instances.delete_forced(&name).await.unwrap();
}

async fn says_who_and_where(stage: Stage) {
    let name = stage.running("c").await;
    let instances = stage.lxd.instances();
    // What is typed ends when we say so, and not before.
    let exec = Exec::new(["cat"]);
    let mut session = instances.exec_session(&name, &exec).await.unwrap();
    session.write("one ").await.unwrap();
    session.write("two").await.unwrap();
    session.close_stdin();
    let mut out = Vec::new();
    while let Some(chunk) = session.next().await {
        if let ExecChunk::Stdout(bytes) = chunk {
            out.extend_from_slice(&bytes);
        }
    }
    assert_eq!(&out[..], b"one two");
    assert_eq!(session.wait().await.unwrap(), 0);
    if stage.real {
        // The fake knows neither users nor folders.
        let said = async |exec: &Exec| {
            let said = instances.exec(&name, exec).await.unwrap();
            assert_eq!(said.code, 0);
            String::from_utf8_lossy(&said.stdout).trim().to_owned()
        };
        assert_eq!(said(&Exec::new(["pwd"]).cwd("/tmp")).await, "/tmp");
        let id = Exec::new(["id", "-u"]).user(1000, 1000);
        assert_eq!(said(&id).await, "1000");
        let env = Exec::shell("echo $GREETING").env("GREETING", "hello");
        assert_eq!(said(&env).await, "hello");
    }
    // Their metrics, while they run.
    let metrics = stage.lxd.metrics().await.unwrap();
    assert!(metrics.iter().all(|m| !m.name.is_empty()));
    instances.delete_forced(&name).await.unwrap();
}

async fn signals_and_terminals(stage: Stage) {
    let name = stage.running("c").await;
    let instances = stage.lxd.instances();
    let mut session = instances
        .exec_session(&name, &Exec::new(["sleep", "60"]))
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    session.signal(Signal::Terminate).await.unwrap();
    let code = tokio::time::timeout(Duration::from_secs(20), session.wait())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(code, 143);

    // One that is still there when its output is read: of a command on a terminal that ends at
    // once, 5.0.2 loses the output itself every now and then (`ExecReaderToChannel` takes what is
    // left for somebody else's, if it looks between the exit and the closing of the terminal).
    let exec = Exec::new(["cat"]).terminal(80, 25);
    let mut session = instances.exec_session(&name, &exec).await.unwrap();
    session.resize(100, 30).await.unwrap();
    session.write("on a terminal\n").await.unwrap();
    let mut seen = Vec::new();
    let read = async {
        // Echoed by the terminal, then written by the command.
        while String::from_utf8_lossy(&seen)
            .matches("on a terminal")
            .count()
            < 2
        {
            match session.next().await {
                Some(ExecChunk::Stdout(bytes)) => seen.extend_from_slice(&bytes),
                other => panic!("{other:?} after {seen:?}"),
            }
            if stage.fake.is_some() {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), read)
        .await
        .unwrap();
    assert!(String::from_utf8_lossy(&seen).contains("on a terminal"));
    session.write("\u{4}").await.unwrap();
    let code = tokio::time::timeout(Duration::from_secs(20), session.wait())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(code, 0);
    instances.delete_forced(&name).await.unwrap();
}

async fn opens_the_console(stage: Stage) {
    let name = stage.running("c").await;
    let instances = stage.lxd.instances();
    let mut console = instances.console(&name, 80, 25).await.unwrap();
    console.resize(100, 30).await.unwrap();
    // The kernel's terminal echoes, whoever reads it inside.
    // What is typed before the daemon has attached itself is lost.
    let mut seen = Vec::new();
    let echoed = async {
        while !String::from_utf8_lossy(&seen).contains("hello") {
            console.write("hello\r").await.unwrap();
            match tokio::time::timeout(Duration::from_millis(500), console.next()).await {
                Ok(Some(ExecChunk::Stdout(bytes))) => seen.extend_from_slice(&bytes),
                Ok(other) => panic!("{other:?}"),
                Err(_) => {}
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), echoed)
        .await
        .unwrap();
    drop(console);
    instances.console_log(&name).await.unwrap();
    assert!(!instances.logs(&name).await.unwrap().is_empty());
    instances.log(&name, "lxc.log").await.unwrap();
    let refused = instances.log(&name, "nothing.of.the.kind").await;
    assert_eq!(refused.unwrap_err().status(), Some(400));
    instances.delete_forced(&name).await.unwrap();
    let missing = instances.console(&name, 80, 25).await.map(|_| ());
    assert!(missing.unwrap_err().is_not_found());
}
