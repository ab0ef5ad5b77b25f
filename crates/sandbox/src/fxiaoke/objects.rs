//! The objects of the made-up tenant and their fields: the vendor's own, and one of the tenant's.
//!
//! The tables are short on purpose; a real object has a hundred fields and more. Names are the vendor's where they are known
//! from public code, and otherwise such as a tenant would give (`__c`).

use super::schema::{Field, Kind, Object};

type Values = &'static [(&'static str, &'static str)];

const LEVELS: Values = &[("重点客户", "A"), ("普通客户", "B"), ("一般客户", "C")];
pub(super) const SOURCES: Values =
    &[("门店", "store"), ("线上商城", "web_shop"), ("转介绍", "referral"), ("广告", "ads"), ("其他", "other")];
const DEALS: Values = &[("未成交", "1"), ("已成交", "2"), ("多次成交", "3")];
const TAGS: Values = &[("鞋履", "shoes"), ("箱包", "bags"), ("户外", "outdoor"), ("童装", "kids")];
const GENDERS: Values = &[("男", "male"), ("女", "female")];
const LEAD_STATES: Values = &[
    ("未分配", "un_assigned"),
    ("待处理", "un_processed"),
    ("跟进中", "processed"),
    ("已转换", "transformed"),
    ("无效", "closed"),
];
const STAGES: Values = &[("验证客户", "1"), ("需求确定", "2"), ("方案报价", "3"), ("赢单", "5"), ("输单", "6")];
const LOGISTICS: Values = &[("待发货", "1"), ("部分发货", "2"), ("已发货", "3"), ("已收货", "5")];
const CASE_STATES: Values = &[("待分配", "unassigned"), ("处理中", "in_progress"), ("已完成", "completed")];
const PRIORITIES: Values = &[("高", "high"), ("中", "medium"), ("低", "low")];
const GRADES: Values = &[("普卡", "basic"), ("银卡", "silver"), ("金卡", "gold")];
const CHANNELS: Values = &[("电话", "phone"), ("门店", "store"), ("微信", "wechat"), ("其他", "other")];
const EMPLOYED: Values = &[("启用", "0"), ("停用", "1")];
const LIFE: Values = &[
    ("未生效", "ineffective"),
    ("审核中", "under_review"),
    ("正常", "normal"),
    ("变更中", "in_change"),
    ("作废", "invalid"),
];
const LOCKS: Values = &[("未锁定", "0"), ("锁定", "1")];

/// The object that the tenant made: visits and calls after a purchase.
pub(super) const VISITS: &str = "object_Vk3Qd__c";

/// All objects, in the order in which the list call tells them.
#[rustfmt::skip]
pub(super) fn objects() -> Vec<Object> {
    use Kind::*;
    let field = Field::new;
    let object = |name, label, prefix, fields: Vec<Field>| Object { name, label, prefix, fields: with_system(fields) };
    vec![
        object("AccountObj", "客户", "KH", vec![
            field("name", "客户名称", Text).required(),
            field("account_no", "客户编号", AutoNumber),
            field("tel", "电话", Phone),
            field("email", "邮件", Email),
            field("account_level", "客户级别", SelectOne).among(LEVELS),
            field("account_source", "来源", SelectOne).among(SOURCES),
            field("deal_status", "成交状态", SelectOne).among(DEALS),
            field("last_deal_closed_time", "最后成交时间", DateTime),
            field("area_location", "定位", Location),
            field("address", "详细地址", Text),
            field("birth_date__c", "生日", Date),
            field("annual_spend__c", "年消费", Currency),
            field("tags__c", "兴趣", SelectMany).among(TAGS),
            field("order_count__c", "订单数", Count),
            field("remark", "备注", LongText),
        ]),
        object("ContactObj", "联系人", "LX", vec![
            field("name", "姓名", Text).required(),
            field("account_id", "客户名称", Reference).to("AccountObj"),
            field("mobile1", "手机1", Phone),
            field("tel1", "电话1", Phone),
            field("email", "邮件", Email),
            field("gender", "性别", SelectOne).among(GENDERS),
            field("date_of_birth", "生日", Date),
            field("job_title", "职务", Text),
            field("card_no__c", "会员卡号", Text),
            field("is_vip__c", "重要", Bool),
            field("contact_source__c", "来源", SelectOne).among(SOURCES),
            field("account_tel__c", "客户电话", Quote).of("account_id", "AccountObj", "tel"),
            field("remark", "备注", LongText),
        ]),
        object("LeadsObj", "销售线索", "XS", vec![
            field("name", "姓名", Text).required(),
            field("company", "公司", Text),
            field("mobile", "手机", Phone),
            field("email", "邮件", Email),
            field("source", "来源", SelectOne).among(SOURCES),
            field("biz_status", "状态", SelectOne).among(LEAD_STATES),
            field("contact_id", "转换的联系人", Reference).to("ContactObj"),
            field("remark", "备注", LongText),
        ]),
        object("NewOpportunityObj", "商机", "SJ", vec![
            field("name", "商机名称", Text).required(),
            field("account_id", "客户名称", Reference).to("AccountObj"),
            field("contact_id__c", "联系人", Reference).to("ContactObj"),
            field("amount", "商机金额", Currency),
            field("sales_stage", "商机阶段", SelectOne).among(STAGES),
            field("probability", "赢率", Percentile),
            field("close_date", "预计成交日期", Date),
        ]),
        object("SalesOrderObj", "销售订单", "DD", vec![
            field("name", "销售订单编号", AutoNumber),
            field("account_id", "客户名称", Reference).to("AccountObj").required(),
            field("order_time", "下单日期", DateTime),
            field("order_amount", "销售订单金额", Currency),
            field("discount", "整单折扣", Percentile),
            field("logistics_status", "发货状态", SelectOne).among(LOGISTICS),
            field("ship_to_tel", "收货人电话", Phone),
            field("ship_to_add", "收货地址", Text),
            field("store__c", "门店", Text),
            field("line_count__c", "行数", Count),
            field("mc_currency", "币种", Text),
            field("mc_exchange_rate", "汇率", Number),
            field("remark", "备注", LongText),
        ]),
        object("SalesOrderProductObj", "订单产品", "DP", vec![
            field("name", "订单产品编号", AutoNumber),
            field("order_id", "销售订单编号", MasterDetail).to("SalesOrderObj").required(),
            field("sku__c", "商品编码", Text),
            field("product_name__c", "商品名称", Text),
            field("quantity", "数量", Number),
            field("product_price", "价格", Currency),
            field("discount", "折扣", Percentile),
            field("subtotal", "小计", Formula),
        ]),
        object("CasesObj", "工单", "GD", vec![
            field("name", "工单编号", AutoNumber),
            field("title__c", "主题", Text).required(),
            field("account_id", "客户名称", Reference).to("AccountObj"),
            field("contact_id", "联系人", Reference).to("ContactObj"),
            field("case_status", "状态", SelectOne).among(CASE_STATES),
            field("priority", "优先级", SelectOne).among(PRIORITIES),
            field("problem_details", "问题描述", RichText),
            field("satisfaction__c", "满意度", Number),
            field("close_time", "完成时间", DateTime),
        ]),
        object("MemberObj", "会员", "HY", vec![
            field("name", "会员姓名", Text).required(),
            field("card_no__c", "会员卡号", Text),
            field("phone", "手机号", Phone),
            field("email", "邮箱", Email),
            field("gender", "性别", SelectOne).among(GENDERS),
            field("birthday", "生日", Date),
            field("grade", "会员等级", SelectOne).among(GRADES),
            field("integral_value", "可用积分", Number),
            field("growth_value", "成长值", Number),
            field("register_time", "注册时间", DateTime),
            field("store__c", "开卡门店", Text),
            field("opted_out__c", "退订", Bool),
        ]),
        object("PersonnelObj", "人员", "RY", vec![
            field("name", "昵称", Text).required(),
            field("user_id", "员工ID", Text).system(),
            field("phone", "手机", Phone),
            field("email", "邮箱", Email),
            field("main_department", "主属部门", Department),
            field("status", "状态", SelectOne).among(EMPLOYED),
        ]),
        object("DepartmentObj", "部门", "BM", vec![
            field("name", "部门名称", Text).required(),
            field("dept_code", "部门编码", Text),
            field("parent_id", "上级部门", Department),
            field("manager_id", "部门负责人", Employee),
            field("status", "状态", SelectOne).among(EMPLOYED),
        ]),
        object(VISITS, "回访", "HF", vec![
            field("name", "回访编号", AutoNumber),
            field("contact__c", "联系人", Reference).to("ContactObj"),
            field("visited_at__c", "回访时间", DateTime),
            field("store__c", "门店", Text),
            field("channel__c", "方式", SelectOne).among(CHANNELS),
            field("score__c", "评分", Number),
            field("amount__c", "意向金额", Currency),
            field("tags__c", "兴趣", SelectMany).among(TAGS),
            field("agreed__c", "同意再联系", Bool),
            field("photos__c", "照片", Images),
            field("contact_mobile__c", "联系人手机", Quote).of("contact__c", "ContactObj", "mobile1"),
            field("notes__c", "记录", LongText),
        ]),
    ]
}

/// The fields that the system keeps of every record.
#[rustfmt::skip]
fn with_system(mut fields: Vec<Field>) -> Vec<Field> {
    use Kind::*;
    let field = |name, label, kind| Field::new(name, label, kind).system();
    fields.insert(0, field("_id", "id", Text));
    fields.extend([
        field("record_type", "业务类型", RecordType),
        field("owner", "负责人", Employee).required(),
        field("owner_department", "负责人所在部门", Text),
        field("data_own_department", "归属部门", Department),
        field("created_by", "创建人", Employee),
        field("create_time", "创建时间", DateTime),
        field("last_modified_by", "最后修改人", Employee),
        field("last_modified_time", "最后修改时间", DateTime),
        field("life_status", "生命状态", SelectOne).among(LIFE),
        field("lock_status", "锁定状态", SelectOne).among(LOCKS),
        field("is_deleted", "是否作废", Bool),
        field("version", "版本", Text),
        field("relevant_team", "相关团队", Team),
    ]);
    fields
}
