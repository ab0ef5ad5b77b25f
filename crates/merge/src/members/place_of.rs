//! The function of the engine that answers for [`Members`].

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{AsArray, UInt64Array};
use arrow::datatypes::DataType;
use tributary_engine::datafusion::common::{DataFusionError, Result, exec_datafusion_err};
use tributary_engine::datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use super::Members;
use crate::id::RecordKey;

pub(super) const NAME: &str = "place_of";

/// `place_of(record_key)`, see [`Members::define`].
#[derive(Debug)]
pub(super) struct PlaceOf {
    members: Arc<Members>,
    signature: Signature,
}

impl PlaceOf {
    pub fn new(members: Arc<Members>) -> Self {
        Self { members, signature: Signature::exact(vec![DataType::Utf8], Volatility::Stable) }
    }
}

/// The same if they ask the same members.
impl PartialEq for PlaceOf {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.members, &other.members)
    }
}

impl Eq for PlaceOf {}

impl Hash for PlaceOf {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.members).hash(state);
    }
}

impl ScalarUDFImpl for PlaceOf {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::UInt64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [keys] = args.args.as_slice() else {
            return Err(exec_datafusion_err!("`{NAME}` takes one key"));
        };
        let keys = keys.to_array(args.number_rows)?;
        let place = |key: Option<&str>| match key {
            None => Ok(None),
            Some(key) => Ok(self.members.place(RecordKey::new(key)?).map(|place| place.0)),
        };
        let places: std::result::Result<UInt64Array, tributary_engine::Error> =
            keys.as_string::<i32>().iter().map(place).collect();
        Ok(ColumnarValue::Array(Arc::new(places.map_err(|e| DataFusionError::External(Box::new(e)))?)))
    }
}
