//! The connector: what can be asked of it, and its registration's factory.

use std::sync::Arc;

use async_trait::async_trait;
use tributary_connector::{
    Capabilities, Configuration, Connector, Context, Error, Factory, Kind, ReadRequest, Reader, Sniffed, Stream,
};

use crate::api::Api;
use crate::config::Config;
use crate::position::Place;
use crate::read::Records;
use crate::streams;

/// An object that every tenant has.
const ANY: &str = "AccountObj";

/// A tenant as a source.
pub struct Fxiaoke {
    api: Arc<Api>,
    config: Config,
    context: Context,
}

impl Fxiaoke {
    /// # Errors
    /// [`Kind::Config`] for values that do not fit together.
    pub fn new(config: Config, context: &Context) -> Result<Self, Error> {
        Ok(Self { api: Arc::new(Api::new(&config, context)?), config, context: context.clone() })
    }

    async fn described(&self, object: &str) -> Result<Stream, Error> {
        let described = self.api.describe(object).await;
        match described {
            Ok(fields) => Ok(streams::stream(object, Some(&fields))),
            // Of all objects, one that may not be seen is no reason to see none; who names it is told.
            Err(error) if self.context.streams.is_none() && matches!(error.kind, Kind::Auth | Kind::Protocol) => {
                tracing::warn!(object, "{error}; its columns stay unknown");
                Ok(streams::stream(object, None))
            }
            Err(error) => Err(error),
        }
    }
}

#[async_trait]
impl Connector for Fxiaoke {
    async fn check(&self) -> Result<(), Error> {
        let named = self.context.streams.as_ref().and_then(|streams| streams.first());
        self.api.describe(named.map_or(ANY, String::as_str)).await.map(|_| ())
    }

    async fn discover(&self) -> Result<Vec<Stream>, Error> {
        let named = |name: &str| self.context.streams.is_some() && self.context.wants(name);
        let mut streams = Vec::new();
        for object in self.api.objects().await?.iter().filter(|object| object.active || named(&object.name)) {
            streams.push(match self.context.wants(&object.name) {
                true => self.described(&object.name).await?,
                false => streams::stream(&object.name, None),
            });
        }
        Ok(streams)
    }

    async fn sniff(&self) -> Result<Option<Sniffed>, Error> {
        Ok(None)
    }

    async fn read(&self, request: ReadRequest) -> Result<Box<dyn Reader>, Error> {
        let place = Place::read(&request.state)?;
        let records = Records::new(Arc::clone(&self.api), request.stream.name, &self.config, place);
        let records = records.comparing(request.compare);
        Ok(Box::new(match request.window {
            Some(window) => records.within(window),
            None => records,
        }))
    }
}

/// Makes [`Fxiaoke`].
pub struct FxiaokeFactory;

impl Factory for FxiaokeFactory {
    type Config = Config;

    fn name(&self) -> &'static str {
        "fxiaoke"
    }

    fn summary(&self) -> &'static str {
        "Fxiaoke (纷享销客, ShareCRM): preset and custom objects, employees and departments"
    }

    fn mapping(&self) -> &'static str {
        include_str!("../mapping.toml")
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { resumes: true, incremental: true, deletes: true, remote: true, windows: true }
    }

    fn configure(&self, _path: &str) -> Option<Result<Configuration, Error>> {
        None
    }

    fn build(&self, config: Config, context: &Context) -> Result<Box<dyn Connector>, Error> {
        Ok(Box::new(Fxiaoke::new(config, context)?))
    }
}
