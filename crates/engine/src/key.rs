//! Keys of records, as a function of the engine.

use std::hash::Hash;
use std::sync::Arc;

use arrow::array::{Array, AsArray, StringBuilder};
use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, exec_datafusion_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};
use tributary_lake::Keys;

/// `key_of(secret, part, …)`: null as soon as one part is null. The secret is a hexadecimal literal.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct KeyOf {
    signature: Signature,
}

impl KeyOf {
    pub fn new() -> Self {
        Self { signature: Signature::variadic_any(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for KeyOf {
    fn name(&self) -> &str {
        "key_of"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some((secret, parts)) = args.args.split_first() else {
            return Err(exec_datafusion_err!("`key_of` needs a secret"));
        };
        let secret = match secret {
            ColumnarValue::Scalar(ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text))) => {
                let mut bytes = [0u8; 32];
                hex::decode_to_slice(text, &mut bytes)
                    .map_err(|_| exec_datafusion_err!("`key_of`: the secret is not hexadecimal"))?;
                bytes
            }
            _ => return Err(exec_datafusion_err!("`key_of` needs a literal secret")),
        };
        let parts = parts
            .iter()
            .map(|part| Ok(arrow::compute::cast(&part.to_array(args.number_rows)?, &DataType::Utf8)?))
            .collect::<Result<Vec<_>>>()?;
        let parts: Vec<_> = parts.iter().map(|part| part.as_string::<i32>()).collect();
        let mut keys = StringBuilder::with_capacity(args.number_rows, args.number_rows * 14);
        let (mut hash, mut key) = (Keys::new(secret, []), String::new());
        for row in 0..args.number_rows {
            if parts.iter().any(|part| part.is_null(row)) {
                keys.append_null();
            } else {
                hash.write(parts.iter().map(|part| part.value(row)), &mut key);
                keys.append_value(&key);
            }
        }
        Ok(ColumnarValue::Array(Arc::new(keys.finish())))
    }
}
