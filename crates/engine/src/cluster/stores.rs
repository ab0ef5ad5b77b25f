//! Where an executor reads: each store is built from its URL and the executor's own environment, as a lake's is. No plan
//! holds a credential.

use std::sync::Arc;

use datafusion::common::{DataFusionError, Result};
use datafusion::execution::object_store::{DefaultObjectStoreRegistry, ObjectStoreRegistry};
use object_store::ObjectStore;
use tributary_lake::Location;
use url::Url;

/// See the module. Local files are there from the start.
#[derive(Debug, Default)]
pub struct Stores(DefaultObjectStoreRegistry);

impl ObjectStoreRegistry for Stores {
    fn register_store(&self, url: &Url, store: Arc<dyn ObjectStore>) -> Option<Arc<dyn ObjectStore>> {
        self.0.register_store(url, store)
    }

    fn deregister_store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        self.0.deregister_store(url)
    }

    fn get_store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        if let Ok(store) = self.0.get_store(url) {
            return Ok(store);
        }
        let location = Location::parse(url.as_str()).map_err(|e| DataFusionError::External(Box::new(e)))?;
        self.0.register_store(url, location.store.clone());
        Ok(location.store)
    }
}

/// Whether the root of a lake's store says all that is needed to build it. A bucket that is part of a path is lost.
pub fn reachable(url: &Url) -> bool {
    !matches!(url.scheme(), "http" | "https" | "memory")
}
