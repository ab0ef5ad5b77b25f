//! What the CRM tells of itself: modules, fields, users, the organisation.

use serde_json::{Value, json};

use super::Crm;
use super::refusal::Refusal;
use super::render::layout_id;
use super::route::Caller;
use super::schema::{Field, Kind, Module};
use crate::clock::written;
use crate::http::{Answer, Request};

impl Crm {
    /// All modules, or the one of this name.
    pub(super) fn settings_modules(&self, name: Option<&str>, caller: Caller) -> Result<Answer, Refusal> {
        let tables = self.store.tables.iter().map(|table| &table.module);
        let modified = written(self.world.started(), caller.offset);
        let described = |module: &Module| self.module(module, &modified);
        let modules: Vec<Value> =
            tables.filter(|module| name.is_none_or(|name| module.name == name)).map(described).collect();
        if modules.is_empty() {
            return Err(Refusal::module());
        }
        Ok(Answer::json(200, &json!({ "modules": modules })))
    }

    fn module(&self, module: &Module, modified: &str) -> Value {
        let own = !matches!(module.generated, "subform" | "linking" | "system");
        json!({
            "id": layout_id(module.inner), "api_name": module.name, "module_name": module.inner,
            "singular_label": module.label, "plural_label": module.label, "actual_singular_label": module.name,
            "actual_plural_label": module.name, "generated_type": module.generated, "api_supported": module.api_supported,
            "viewable": module.api_supported, "creatable": own, "editable": own, "deletable": own, "visible": own,
            "status": "visible", "modified_time": modified, "profiles": [], "parent_module": self.parent(module),
            "sequence_number": 1, "global_search_supported": own,
        })
    }

    /// The module whose subform this is.
    fn parent(&self, module: &Module) -> Value {
        if module.generated != "subform" {
            return json!({});
        }
        let mut tables = self.store.tables.iter().map(|table| &table.module);
        let leads_here = |field: &Field| field.kind == Kind::Subform && field.target == Some(module.name);
        let parent = tables.find(|other| other.fields.iter().any(leads_here));
        parent.map_or_else(|| json!({}), |parent| json!({ "api_name": parent.name, "id": layout_id(parent.inner) }))
    }

    /// The fields of one module; 204 where there are none.
    pub(super) fn settings_fields(&self, request: &Request, caller: Caller) -> Result<Answer, Refusal> {
        let name = request.parameter("module").ok_or_else(|| {
            Refusal::bad("REQUIRED_PARAM_MISSING", "One of the expected parameter is missing")
                .details(json!({ "param_name": "module" }))
        })?;
        let module = &self.store.table(name).ok_or_else(Refusal::module)?.module;
        if !module.api_supported {
            return Ok(Answer::empty(204));
        }
        let modified = written(self.world.started(), caller.offset);
        let fields: Vec<Value> = module.fields.iter().map(|field| self.field(module, field, &modified)).collect();
        Ok(Answer::json(200, &json!({ "fields": fields })))
    }

    fn field(&self, module: &Module, field: &Field, modified: &str) -> Value {
        let (data_type, json_type) = field.kind.types();
        let id = |name: &str| layout_id(&format!("{}.{name}", module.name));
        let values: Vec<Value> = field
            .values
            .iter()
            .map(|(display, actual)| {
                json!({
                    "id": id(&format!("{}.{actual}", field.name)), "display_value": display, "actual_value": actual,
                    "reference_value": actual, "type": "used", "colour_code": null, "sequence_number": 1,
                })
            })
            .collect();
        let target = |name: &str| {
            let inner = self.store.table(name).map_or("", |table| table.module.inner);
            json!({ "api_name": name, "id": layout_id(inner) })
        };
        let mut described = json!({
            "id": id(&field.name), "api_name": field.name, "field_label": field.label, "display_label": field.label,
            "data_type": data_type, "json_type": json_type, "length": length(field.kind),
            "decimal_place": (field.kind == Kind::Currency).then_some(2), "system_mandatory": field.mandatory,
            "read_only": field.read_only, "field_read_only": field.read_only, "custom_field": field.custom, "visible": true,
            "virtual_field": false, "unique": {}, "lookup": {}, "multiselectlookup": {}, "multiuserlookup": {},
            "pick_list_values": values, "formula": {}, "rollup_summary": {}, "auto_number": {}, "currency": {},
            "crypt": null, "modified_time": modified, "type": "used",
        });
        if field.unique {
            described["unique"] = json!({ "casesensitive": "false" });
        }
        match (field.kind, field.target) {
            (Kind::Lookup, Some(name)) => {
                described["lookup"] =
                    json!({ "module": target(name), "display_label": module.label, "id": id("lookup") });
            }
            (Kind::Subform, Some(name)) => {
                let target = target(name);
                described["associated_module"] = json!({ "module": name, "id": target["id"] });
            }
            (Kind::MultiLookup, Some(name)) => {
                described["multiselectlookup"] = json!({
                    "display_label": field.label, "api_name": field.name, "id": id("link"),
                    "linking_details": {
                        "module": target(name),
                        "lookup_field": { "api_name": "Contact", "id": id("Contact") },
                        "connected_lookup_field": { "api_name": field.name, "id": id(&field.name) },
                    },
                    "connected_details": { "module": target("Accounts") },
                });
            }
            (Kind::Currency, _) => described["currency"] = json!({ "rounding_option": "normal", "precision": 2 }),
            (Kind::TextArea, _) => described["textarea"] = json!({ "type": "small" }),
            (Kind::RichText, _) => described["textarea"] = json!({ "type": "rich_text" }),
            _ => {}
        }
        described
    }

    /// All users, or the one who asks.
    pub(super) fn users_list(&self, request: &Request, caller: Caller) -> Answer {
        let current = request.parameter("type") == Some("CurrentUser");
        let asking = self.user(caller.user).id;
        let users: Vec<Value> = self
            .users
            .iter()
            .filter(|user| !current || user.id == asking)
            .map(|user| {
                json!({
                    "id": user.id.to_string(), "full_name": user.name, "last_name": user.name, "first_name": null,
                    "email": user.email, "zuid": (user.id % 1_000_000_000).to_string(), "status": "active", "confirm": true,
                    "time_zone": "Asia/Shanghai", "locale": "zh_CN", "language": "zh_CN", "country": "CN",
                    "role": { "name": "CEO", "id": layout_id("role") },
                    "profile": { "name": "Administrator", "id": layout_id("profile") },
                    "created_time": written(self.world.started(), caller.offset), "Modified_Time": written(self.world.started(), caller.offset),
                })
            })
            .collect();
        let info = json!({ "per_page": 200, "count": users.len(), "page": 1, "more_records": false });
        Answer::json(200, &json!({ "users": users, "info": info }))
    }

    pub(super) fn org(&self) -> Answer {
        let edition = self.options.edition;
        Answer::json(
            200,
            &json!({ "org": [{
                "id": layout_id("org"), "company_name": "Sandbox Retail", "zgid": "60001234567", "time_zone": "Asia/Shanghai",
                "currency": "CNY", "iso_code": "CNY", "currency_locale": "zh_CN", "country_code": "CN", "mc_status": false,
                "license_details": {
                    "paid_type": edition.name(), "paid": edition != super::Edition::Free, "trial_type": null,
                    "paid_expiry": null, "users_license_purchased": self.users.len(), "trial_expiry": null,
                },
            }] }),
        )
    }
}

fn length(kind: Kind) -> u32 {
    match kind {
        Kind::TextArea => 2_000,
        Kind::RichText => 50_000,
        Kind::Text | Kind::Picklist => 120,
        Kind::Email => 100,
        Kind::Phone => 30,
        Kind::Integer => 9,
        Kind::BigInt => 18,
        Kind::Currency => 16,
        Kind::Date | Kind::DateTime => 20,
        _ => 255,
    }
}
