//! The employees and departments of the tenant: who can act, who owns what, and the two forms of an employee's id.

use serde_json::{Value, json};

use crate::chance::scramble;

/// One who works with the tenant's data.
#[derive(Debug, Clone)]
pub(super) struct Employee {
    /// `1000`: the id of new requests.
    pub(super) id: String,
    /// `FSUID_…`: the id of old ones.
    pub(super) open_id: String,
    pub(super) name: &'static str,
    pub(super) mobile: String,
    pub(super) email: String,
    /// Index into the departments.
    pub(super) department: usize,
}

/// Which of its two forms an employee's id has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Number,
    Open,
}

/// Id, name, and the id of the one above.
pub(super) const DEPARTMENTS: &[(&str, &str, Option<&str>)] =
    &[("999999", "全公司", None), ("1001", "华东大区", Some("999999")), ("1002", "客服部", Some("999999"))];

/// Name and department.
const EMPLOYEES: &[(&str, usize)] = &[("系统管理员", 0), ("李店长", 1), ("王客服", 2), ("陈导购", 1), ("赵导购", 1)];

/// The number of the first employee, and the one of whom the phone is documented.
const FIRST: u64 = 1_000;
const FIRST_MOBILE: u64 = 13_800_138_000;

pub(super) fn employees(seed: u64) -> Vec<Employee> {
    let employee = |(number, &(name, department)): (u64, &(&'static str, usize))| {
        let id = (FIRST + number).to_string();
        let drawn = scramble(seed ^ scramble(FIRST + number));
        Employee {
            open_id: format!("FSUID_{drawn:016X}{:016X}", scramble(drawn)),
            email: format!("user{id}@fs.example.com"),
            mobile: (FIRST_MOBILE + number).to_string(),
            id,
            name,
            department,
        }
    };
    (0..).zip(EMPLOYEES).map(employee).collect()
}

impl Employee {
    pub(super) fn shown(&self, form: Form) -> &str {
        match form {
            Form::Number => &self.id,
            Form::Open => &self.open_id,
        }
    }

    /// What stands beside an id, in `__r` and in the lists of `__l`.
    pub(super) fn detail(&self, form: Form) -> Value {
        let (department, name, _) = DEPARTMENTS[self.department];
        json!({
            "id": self.shown(form), "name": self.name, "nickname": self.name, "email": self.email, "dept": department,
            "deptName": name, "status": "0", "tenantId": "90001",
        })
    }

    /// Whether an id in either form is this one's.
    pub(super) fn is(&self, id: &str) -> bool {
        id == self.id || id == self.open_id
    }
}

/// The same for a department.
pub(super) fn department_detail(id: &str) -> Option<Value> {
    let (id, name, parent) = DEPARTMENTS.iter().find(|(known, _, _)| *known == id)?;
    Some(json!({ "deptId": id, "deptName": name, "parentId": parent, "status": "0" }))
}
