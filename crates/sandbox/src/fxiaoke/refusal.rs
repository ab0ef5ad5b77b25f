//! How the vendor says no: a status of 200, and a code in the envelope.
//!
//! The codes are those that the gateway was seen to give, where they differ from the published table. Where neither tells:
//! what is wrong with a value is 32000, an object or path of the wrong kind 10006, too many token requests 14001.

use serde_json::{Map, Value, json};

use crate::http::Answer;

/// A request that is not answered as asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: i64,
    message: String,
    description: String,
}

impl Refusal {
    pub(super) fn new(code: i64, message: &str, description: &str) -> Self {
        Self { code, message: message.into(), description: description.into() }
    }

    pub(super) fn path(path: &str) -> Self {
        Self::new(10_006, &format!("the request uri=[{path}] is not exists"), "请求地址不存在")
    }

    /// A parameter that is missing, or is not what it should be.
    pub(super) fn parameter(name: &str) -> Self {
        Self::new(10_006, &format!("the parameter {name} is missing or illegal"), "参数错误")
    }

    /// A value within the parameters that will not do: an unknown field, operator or option.
    pub(super) fn value(what: &str) -> Self {
        Self::new(32_000, &format!("parameter error: {what}"), "参数错误")
    }

    pub(super) fn token() -> Self {
        Self::new(20_016, "the cropId,cropAccessToken or authorization is error", "凭证错误或已失效")
    }

    pub(super) fn no_token() -> Self {
        Self::new(20_017, "corpAccessToken为必填项，不能为空", "corpAccessToken为必填项，不能为空")
    }

    pub(super) fn employee() -> Self {
        Self::new(30_027, "the employee does not exist", "员工不存在")
    }

    pub(super) fn permission() -> Self {
        Self::new(20_014, "no permission to access the data", "没有数据权限")
    }

    pub(super) fn too_fast() -> Self {
        Self::new(30_004, "the interface is called too frequently", "接口调用过于频繁，请稍后再试")
    }

    pub(super) fn day_is_over() -> Self {
        Self::new(30_002, "the daily call quota is used up", "当日调用次数已用完")
    }

    pub(super) fn nothing_bought() -> Self {
        Self::new(30_003, "no call quota was purchased", "未购买调用次数")
    }

    /// A record that is not there, or not in the state that the request wants.
    pub(super) fn record(description: &str) -> Self {
        Self::new(50_009, "business error", description)
    }

    pub(super) fn answer(&self) -> Answer {
        let body = json!({
            "errorCode": self.code, "errorMessage": self.message, "errorDescription": self.description,
            "traceId": TRACE,
        });
        Answer { failure: Some(self.code), ..Answer::json(200, &body) }
    }
}

/// An id that nothing can be traced by.
const TRACE: &str = "E-O.sandbox.1000-00000000";

/// The envelope of what went well, with these keys beside it.
pub(super) fn success(more: Value) -> Answer {
    let mut body = Map::new();
    body.insert("traceId".into(), TRACE.into());
    body.insert("errorCode".into(), 0.into());
    body.insert("errorMessage".into(), "OK".into());
    body.insert("errorDescription".into(), "success".into());
    if let Value::Object(more) = more {
        body.extend(more);
    }
    Answer::json(200, &Value::Object(body))
}
