//! The modules of the CRM and their fields: a retailer's, each kind of field at least once.
//!
//! The tables are short on purpose; a real organisation has hundreds of fields, and the metadata of each has keys that are
//! not here. `Tag` says that it is text and is an array, as the real one does.

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    TextArea,
    RichText,
    Email,
    Phone,
    Integer,
    /// A string in JSON.
    BigInt,
    Currency,
    Boolean,
    Date,
    DateTime,
    Picklist,
    MultiPicklist,
    Lookup,
    Owner,
    User,
    MultiLookup,
    Subform,
    Tag,
}

impl Kind {
    /// `data_type` and `json_type` of the metadata.
    pub(super) fn types(self) -> (&'static str, &'static str) {
        match self {
            Self::Text => ("text", "string"),
            Self::TextArea | Self::RichText => ("textarea", "string"),
            Self::Email => ("email", "string"),
            Self::Phone => ("phone", "string"),
            Self::Integer => ("integer", "integer"),
            Self::BigInt => ("bigint", "string"),
            Self::Currency => ("currency", "double"),
            Self::Boolean => ("boolean", "boolean"),
            Self::Date => ("date", "string"),
            Self::DateTime => ("datetime", "string"),
            Self::Picklist => ("picklist", "string"),
            Self::MultiPicklist => ("multiselectpicklist", "jsonarray"),
            Self::Lookup => ("lookup", "jsonobject"),
            Self::Owner => ("ownerlookup", "jsonobject"),
            Self::User => ("userlookup", "jsonobject"),
            Self::MultiLookup => ("multiselectlookup", "jsonarray"),
            Self::Subform => ("subform", "jsonarray"),
            Self::Tag => ("text", "jsonarray"),
        }
    }

    /// Whether a list read leaves it out.
    pub(super) fn only_in_single_reads(self) -> bool {
        matches!(self, Self::MultiLookup | Self::Subform)
    }
}

/// One field.
#[derive(Debug, Clone)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) label: String,
    pub(super) kind: Kind,
    pub(super) custom: bool,
    pub(super) mandatory: bool,
    pub(super) unique: bool,
    pub(super) read_only: bool,
    /// The module that a lookup or subform leads to.
    pub(super) target: Option<&'static str>,
    /// Displayed and actual value.
    pub(super) values: &'static [(&'static str, &'static str)],
}

impl Field {
    pub(super) fn new(name: &str, label: &str, kind: Kind) -> Self {
        Self {
            name: name.to_owned(),
            label: label.to_owned(),
            kind,
            custom: false,
            mandatory: false,
            unique: false,
            read_only: false,
            target: None,
            values: &[],
        }
    }

    pub(super) fn custom(self) -> Self {
        Self { custom: true, ..self }
    }

    fn mandatory(self) -> Self {
        Self { mandatory: true, ..self }
    }

    fn unique(self) -> Self {
        Self { unique: true, ..self }
    }

    fn read_only(self) -> Self {
        Self { read_only: true, ..self }
    }

    fn to(self, module: &'static str) -> Self {
        Self { target: Some(module), ..self }
    }

    fn among(self, values: &'static [(&'static str, &'static str)]) -> Self {
        Self { values, ..self }
    }
}

/// One module.
#[derive(Debug, Clone)]
pub(super) struct Module {
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    /// The name of the module within the vendor.
    pub(super) inner: &'static str,
    /// `default`, `custom`, `subform`, `linking`, `system`.
    pub(super) generated: &'static str,
    pub(super) api_supported: bool,
    /// The field that names a record, and by which the system finds duplicates.
    pub(super) title: &'static str,
    pub(super) duplicates: &'static str,
    pub(super) fields: Vec<Field>,
}

impl Module {
    pub(super) fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

const SOURCES: &[(&str, &str)] =
    &[("门店", "Store"), ("线上商城", "Web Shop"), ("导购", "Employee Referral"), ("广告", "Advertisement")];
const GENDERS: &[(&str, &str)] = &[("女", "Female"), ("男", "Male")];
const INTERESTS: &[(&str, &str)] = &[("Shoes", "Shoes"), ("Bags", "Bags"), ("Outdoor", "Outdoor"), ("Kids", "Kids")];
const LEAD_STATES: &[(&str, &str)] = &[("未联系", "Not Contacted"), ("已联系", "Contacted"), ("无效", "Junk Lead")];
pub(super) const STAGES: &[(&str, &str)] =
    &[("意向", "Qualification"), ("报价", "Proposal/Price Quote"), ("成交", "Closed Won"), ("丢单", "Closed Lost")];
pub(super) const CASE_STATES: &[(&str, &str)] = &[("新建", "New"), ("处理中", "On Hold"), ("已关闭", "Closed")];
const PRIORITIES: &[(&str, &str)] = &[("高", "High"), ("中", "Medium"), ("低", "Low")];
const TIERS: &[(&str, &str)] = &[("金卡", "Gold"), ("银卡", "Silver"), ("普卡", "Basic")];
const RELATIONS: &[(&str, &str)] = &[("子女", "Child"), ("配偶", "Spouse"), ("父母", "Parent")];

/// All modules, in the order in which the metadata lists them.
#[rustfmt::skip]
pub(super) fn modules() -> Vec<Module> {
    use Kind::*;
    let field = Field::new;
    let module = |name, label, inner, generated, title, duplicates, fields: Vec<Field>| Module {
        name, label, inner, generated, api_supported: true, title, duplicates, fields: with_system(fields, generated),
    };
    vec![
        module("Leads", "线索", "Leads", "default", "Full_Name", "Email", [person(), vec![
            field("Company", "公司", Text),
            field("Lead_Source", "来源", Picklist).among(SOURCES),
            field("Lead_Status", "状态", Picklist).among(LEAD_STATES),
        ]].concat()),
        module("Accounts", "客户", "Accounts", "default", "Account_Name", "Account_Name", vec![
            field("Account_Name", "客户名称", Text).mandatory(),
            field("Phone", "电话", Phone),
            field("Billing_City", "城市", Text),
            field("Employees", "员工数", Integer),
        ]),
        module("Contacts", "联系人", "Contacts", "default", "Full_Name", "Email", [person(), vec![
            field("Account_Name", "客户名称", Lookup).to("Accounts"),
            field("Gender", "性别", Picklist).custom().among(GENDERS),
            field("Date_of_Birth", "出生日期", Date),
            field("Mailing_Street", "街道", TextArea),
            field("Mailing_City", "城市", Text),
            field("Mailing_State", "省", Text),
            field("Member_No", "会员卡号", Text).custom().unique(),
            field("Lead_Source", "来源", Picklist).among(SOURCES),
            field("Interests", "兴趣", MultiPicklist).custom().among(INTERESTS),
            field("Email_Opt_Out", "退订", Boolean),
            field("Annual_Spend", "年消费", Currency).custom(),
            field("Points", "积分", BigInt).custom(),
            field("Visits", "到店次数", Integer).custom(),
            field("Last_Activity_Time", "最近活动", DateTime).read_only(),
            field("Style_Notes", "导购备注", RichText).custom(),
            field("Tag", "标签", Tag),
            field("Family_Members", "家人", Subform).custom().to("Family_Members"),
            field("Other_Accounts", "其他客户", MultiLookup).custom().to("Contacts_X_Accounts"),
        ]].concat()),
        module("Deals", "商机", "Potentials", "default", "Deal_Name", "Deal_Name", vec![
            field("Deal_Name", "商机名称", Text).mandatory(),
            field("Amount", "金额", Currency),
            field("Stage", "阶段", Picklist).mandatory().among(STAGES),
            field("Closing_Date", "结单日期", Date),
            field("Contact_Name", "联系人", Lookup).to("Contacts"),
            field("Account_Name", "客户名称", Lookup).to("Accounts"),
        ]),
        module("Cases", "服务单", "Cases", "default", "Subject", "Subject", vec![
            field("Subject", "主题", Text).mandatory(),
            field("Status", "状态", Picklist).mandatory().among(CASE_STATES),
            field("Priority", "优先级", Picklist).among(PRIORITIES),
            field("Related_To", "联系人", Lookup).to("Contacts"),
            field("Description", "描述", TextArea),
        ]),
        module("Loyalty_Cards", "会员卡", "CustomModule1", "custom", "Name", "Name", vec![
            field("Name", "卡号", Text).mandatory(),
            field("Holder", "持卡人", Lookup).custom().to("Contacts"),
            field("Tier", "等级", Picklist).custom().among(TIERS),
            field("Points", "积分", BigInt).custom(),
            field("Opened", "开卡日期", Date).custom(),
            field("Email", "邮箱", Email).custom(),
        ]),
        module("Family_Members", "家人", "LinkingModule2", "subform", "Name", "Name", vec![
            field("Name", "姓名", Text).custom(),
            field("Relation", "关系", Picklist).custom().among(RELATIONS),
            field("Birthday", "生日", Date).custom(),
            field("Parent_Id", "联系人", Lookup).to("Contacts"),
        ]),
        module("Contacts_X_Accounts", "其他客户", "LinkingModule3", "linking", "id", "id", vec![
            field("Contact", "联系人", Lookup).to("Contacts"),
            field("Other_Accounts", "其他客户", Lookup).to("Accounts"),
        ]),
        Module {
            api_supported: false,
            ..module("Visits", "访问", "Visits", "system", "id", "id", Vec::new())
        },
    ]
}

/// What leads and contacts share.
fn person() -> Vec<Field> {
    vec![
        Field::new("Last_Name", "姓", Kind::Text).mandatory(),
        Field::new("First_Name", "名", Kind::Text),
        Field::new("Full_Name", "姓名", Kind::Text).read_only(),
        Field::new("Mobile", "手机", Kind::Phone),
        Field::new("Phone", "电话", Kind::Phone),
        Field::new("Email", "邮箱", Kind::Email),
    ]
}

/// The fields that the system keeps; rows of subforms and links have no owner.
fn with_system(mut fields: Vec<Field>, generated: &str) -> Vec<Field> {
    let owned = !matches!(generated, "subform" | "linking");
    fields.insert(0, Field::new("id", "Record Id", Kind::BigInt).read_only());
    if owned {
        fields.push(Field::new("Owner", "所有者", Kind::Owner));
        fields.push(Field::new("Created_By", "创建人", Kind::User).read_only());
        fields.push(Field::new("Modified_By", "修改人", Kind::User).read_only());
    }
    fields.push(Field::new("Created_Time", "创建时间", Kind::DateTime).read_only());
    fields.push(Field::new("Modified_Time", "修改时间", Kind::DateTime).read_only());
    fields
}
