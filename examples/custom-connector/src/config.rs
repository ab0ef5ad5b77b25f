//! The configuration: what a pipeline says of a source beside `connector = "custom-connector"`.

use schemars::JsonSchema;
use serde::Deserialize;
use tributary_connector::SecretRef;

/// A shop and the key to it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the API is: `https://shop.example.com`.
    pub url: String,
    /// A reference to the key, such as `{ env = "SHOP_KEY" }`.
    pub api_key: SecretRef,
}
