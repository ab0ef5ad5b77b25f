//! Secrets: references in the configuration, values that cannot be printed.
//!
//! A literal is refused when the configuration is read, so that no secret is ever in a pipeline file.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::io::AsyncReadExt;

use crate::{Error, Kind};

const COMMAND_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_BYTES: usize = 64 * 1024;

/// Where a secret is found. In TOML: `{ env = "NAME" }`, `{ file = "/path" }` or `{ command = ["pass", "show", "x"] }`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum SecretRef {
    /// An environment variable.
    Env(String),
    /// A file that holds nothing else; white space around it is dropped.
    File(PathBuf),
    /// A program and its arguments, run without a shell; what it prints is the secret.
    Command(Vec<String>),
}

/// A secret's value. It cannot be printed, compared or serialised.
#[derive(Clone)]
pub struct Secret(SecretString);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[secret]")
    }
}

impl Secret {
    pub fn new(value: String) -> Self {
        Self(SecretString::from(value))
    }

    /// The value, for the one place that needs it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl SecretRef {
    /// Fetches the secret.
    ///
    /// # Errors
    /// [`Kind::Auth`] if it is not there, empty, too long, or, on Unix, in a file that others may read.
    pub async fn resolve(&self) -> Result<Secret, Error> {
        let text = match self {
            Self::Env(name) => std::env::var(name).map_err(|_| {
                Error::new(Kind::Auth, format!("environment variable `{name}` is not set"))
                    .hint(format!("set it: `export {name}=…`"))
            })?,
            Self::File(path) => read_file(path).await?,
            Self::Command(argv) => run(argv).await?,
        };
        let value = text.trim().to_owned();
        if value.is_empty() {
            return Err(Error::new(Kind::Auth, format!("the secret from {self} is empty")));
        }
        Ok(Secret::new(value))
    }
}

impl std::fmt::Display for SecretRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Env(name) => write!(f, "environment variable `{name}`"),
            Self::File(path) => write!(f, "file `{}`", path.display()),
            Self::Command(argv) => write!(f, "command `{}`", argv.first().map_or("", String::as_str)),
        }
    }
}

async fn read_file(path: &PathBuf) -> Result<String, Error> {
    let unreadable = |e: std::io::Error| {
        Error::new(Kind::Auth, format!("could not read the secret in `{}`", path.display()))
            .source(e)
            .hint("write the secret there, for nobody else to read, or correct the path")
    };
    let meta = tokio::fs::metadata(path).await.map_err(unreadable)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        if meta.permissions().mode() & 0o077 != 0 {
            return Err(Error::new(Kind::Auth, format!("others may read the secret in `{}`", path.display()))
                .hint(format!("`chmod 600 {}`", path.display())));
        }
    }
    if meta.len() > MAX_BYTES as u64 {
        return Err(Error::new(Kind::Auth, format!("the secret in `{}` is over 64 KiB", path.display())));
    }
    tokio::fs::read_to_string(path).await.map_err(unreadable)
}

async fn run(argv: &[String]) -> Result<String, Error> {
    let Some((program, arguments)) = argv.split_first() else {
        return Err(Error::new(Kind::Config, "the secret's command is empty"));
    };
    let failed = |why: &str| Error::new(Kind::Auth, format!("the secret's command `{program}` {why}"));
    let mut child = tokio::process::Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|e| failed("could not be started").source(e))?;
    let mut out = Vec::new();
    let work = async {
        if let Some(stdout) = child.stdout.take() {
            stdout.take(MAX_BYTES as u64 + 1).read_to_end(&mut out).await?;
        }
        child.wait().await
    };
    let status = tokio::time::timeout(COMMAND_TIMEOUT, work)
        .await
        .map_err(|_| failed("took over 10 seconds"))?
        .map_err(|e| failed("could not be read").source(e))?;
    if !status.success() {
        return Err(failed(&format!("ended with {status}")));
    }
    if out.len() > MAX_BYTES {
        return Err(failed("printed over 64 KiB"));
    }
    String::from_utf8(out).map_err(|_| failed("printed something that is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_secret_is_fetched_and_never_printed() {
        let secret = SecretRef::Command(vec!["echo".into(), "s3cr3t".into()]).resolve().await.unwrap();
        assert_eq!(secret.expose(), "s3cr3t");
        assert_eq!(format!("{secret:?}"), "[secret]");
    }

    #[tokio::test]
    async fn a_missing_variable_names_itself() {
        let error = SecretRef::Env("TRIBUTARY_NO_SUCH".into()).resolve().await.unwrap_err();
        assert_eq!(error.message, "environment variable `TRIBUTARY_NO_SUCH` is not set");
    }
}
