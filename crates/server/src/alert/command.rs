//! A program that is given JSON on its standard input. It is killed when it takes too long.

use std::process::Stdio;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

pub(super) async fn run(argv: &[String], body: &str) -> Result<(), String> {
    let Some((program, arguments)) = argv.split_first() else { return Err("there is no program".to_owned()) };
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|e| format!("it could not be started: {e}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that does not care to read is not at fault; its exit code counts.
        let _ = stdin.write_all(body.as_bytes()).await;
    }
    let status = child.wait().await.map_err(|e| e.to_string())?;
    if status.success() { Ok(()) } else { Err(format!("it ended with {status}")) }
}
