//! What a column is likely to hold, by its name: words in Chinese and English.

/// Roles and the words for them. A column has the role of the longest word in its name; `=` means that the word has to be
/// all of it. Words of one role stand in the order of preference.
#[rustfmt::skip]
const ROLES: &[(&str, &[&str])] = &[
    ("name", &["姓名", "名字", "收货人", "收件人", "联系人", "客户名称", "full name", "customer name", "member name", "contact name",
        "client name", "buyer name", "receiver name", "recipient name", "guest name", "consignee", "=name"]),
    ("family_name", &["姓氏", "=姓", "last name", "family name", "surname"]),
    ("given_name", &["=名", "first name", "given name", "forename"]),
    ("phone", &["手机", "电话", "mobile", "phone", "telephone", "cell", "tel", "msisdn"]),
    ("email", &["邮箱", "电子邮件", "email", "e mail", "=mail"]),
    ("gender", &["性别", "gender", "sex"]),
    ("birthday", &["生日", "出生", "birthday", "birth", "birthdate", "date of birth", "dob"]),
    ("address", &["地址", "住址", "address", "full address"]),
    ("province", &["省", "省份", "province", "state"]),
    ("city", &["=市", "城市", "city", "town"]),
    ("district", &["=区", "区县", "=县", "district", "county"]),
    ("street", &["街道", "street", "street address", "address line"]),
    ("postcode", &["邮编", "邮政编码", "postcode", "postal code", "zip", "zip code", "zipcode"]),
    ("country", &["国家", "country"]),
    ("company", &["公司", "单位名称", "company", "employer", "organization", "organisation"]),
    ("language", &["语言", "language"]),
    ("segment", &["等级", "级别", "level", "tier", "segment"]),
    ("joined", &["开卡日期", "开卡时间", "入会", "注册时间", "注册日期", "加入时间", "加入日期", "办卡日期", "办卡时间", "joined",
        "join date", "signup", "sign up", "registered", "registration date", "member since"]),
    ("created", &["创建时间", "创建日期", "created", "created at", "created time", "create time", "create date", "creation date"]),
    ("updated", &["更新时间", "更新日期", "修改时间", "修改日期", "modified", "modified time", "updated", "updated at", "update time",
        "last update", "last modified"]),
    ("date", &["日期", "date", "day"]),
    ("time", &["时间", "time", "timestamp", "datetime"]),
    ("member_no", &["会员卡号", "会员号", "会员编号", "会员编码", "会员id", "卡号", "member no", "member number", "member id",
        "membership no", "membership number", "membership id", "card no", "card number", "loyalty id", "loyalty no"]),
    ("customer_id", &["客户编号", "客户编码", "客户号", "客户id", "顾客编号", "顾客id", "用户编号", "用户id", "customer id",
        "customer no", "customer number", "client id", "contact id", "user id", "buyer id", "party id", "household id"]),
    ("ouid", &["ouid"]),
    ("unionid", &["unionid", "union id"]),
    ("openid", &["openid", "open id"]),
    ("order_no", &["小票号", "小票编号", "订单号", "订单编号", "订单id", "单号", "单据号", "交易号", "流水号", "order no",
        "order number", "order id", "ticket no", "ticket number", "ticket id", "receipt no", "receipt number", "receipt id",
        "receipt", "basket id", "transaction id", "transaction no", "invoice no", "invoice number", "trade id", "=tid"]),
    ("line_no", &["行号", "明细号", "子订单号", "子订单编号", "line no", "line id", "line number", "=line", "=oid"]),
    ("sku", &["商品编码", "商品编号", "商品代码", "商品id", "产品编码", "产品编号", "货号", "款号", "条码", "条形码", "sku",
        "product code", "product id", "product no", "item code", "item no", "item id", "barcode", "upc", "ean"]),
    ("product_name", &["商品名称", "商品名", "产品名称", "品名", "商品标题", "宝贝标题", "=商品", "product name", "item name",
        "=product", "=item", "=title", "product title"]),
    ("brand", &["品牌", "brand"]),
    ("category", &["品类", "类别", "商品分类", "大类", "category", "department"]),
    ("subcategory", &["子类", "小类", "二级分类", "subcategory", "sub category"]),
    ("quantity", &["数量", "件数", "quantity", "qty", "=num", "=count", "units", "pieces"]),
    ("unit_price", &["单价", "售价", "价格", "unit price", "price"]),
    ("amount", &["实付金额", "实付", "成交金额", "销售金额", "付款金额", "支付金额", "金额", "总价", "amount", "total", "total amount",
        "total price", "=payment", "=paid", "net amount", "sales value", "=sales", "=revenue", "=value", "=dollars", "=sum"]),
    ("discount", &["折扣", "优惠金额", "优惠", "discount", "disc"]),
    ("shipping", &["运费", "邮费", "shipping fee", "shipping", "freight", "postage", "post fee", "delivery fee"]),
    ("currency", &["币种", "货币", "currency"]),
    ("store", &["门店编号", "门店编码", "门店代码", "门店", "店铺", "store", "store id", "store no", "shop id", "shop", "branch"]),
    ("store_name", &["门店名称", "店铺名称", "store name", "shop name", "branch name"]),
    ("channel", &["渠道", "channel"]),
    ("status", &["状态", "status", "order state"]),
    ("ordered_at", &["销售时间", "销售日期", "下单时间", "下单日期", "交易时间", "交易日期", "消费时间", "消费日期", "购买时间",
        "购买日期", "成交时间", "付款时间", "支付时间", "order date", "order time", "ordered at", "purchase date", "sale date",
        "sold at", "transaction date", "transaction time", "transaction timestamp"]),
    ("refund_no", &["退款单号", "退款编号", "退货单号", "refund id", "refund no", "refund number", "return id"]),
    ("refund_amount", &["退款金额", "refund amount"]),
    ("refunded_at", &["退款时间", "退款日期", "refunded at", "refund date", "refund time"]),
    ("reason", &["原因", "reason"]),
    ("score", &["评分", "打分", "得分", "推荐度", "推荐意愿", "星级", "nps", "score", "rating", "stars"]),
    ("satisfaction", &["满意度", "satisfaction", "csat"]),
    ("comment", &["意见", "建议", "评价内容", "评论", "留言", "反馈内容", "comment", "comments", "feedback", "review"]),
    ("given_at", &["提交时间", "提交日期", "评价时间", "答题时间", "反馈时间", "submitted", "submitted at", "response date"]),
    ("points", &["积分", "points"]),
    // What the words above must not be found in.
    ("", &["昵称", "用户名", "密码", "身份证", "nickname", "nick name", "nick", "username", "user name", "password", "收银员", "导购",
        "店员", "营业员", "操作员", "经办人", "推荐人", "cashier", "clerk", "sales rep", "salesperson", "staff", "employee", "operator",
        "门店电话", "门店地址", "店铺电话", "运单号", "快递单号", "物流单号", "tracking no", "tracking number", "支付方式", "付款方式",
        "payment method", "payment type", "file name", "ip address", "开卡门店", "注册门店", "首次", "最近", "累计", "last order",
        "last purchase", "first order", "first purchase", "lifetime", "unit of measure", "婚姻", "marital status", "payment status", "email status"]),
];

/// Names of records in which `name` is a person's.
#[rustfmt::skip]
const PEOPLE: &[&str] = &[
    "receiver", "recipient", "consignee", "buyer", "customer", "client", "member", "contact", "user", "person", "profile", "billing",
    "shipping", "shipping address", "billing address", "address", "guest",
];

/// What ends the name of a column of ids.
const IDS: &[&str] = &["编号", "号", "号码", "编码", "代码", "id", "no", "number", "code", "key", "uuid", "guid"];

/// The role of the column at `path`, and how well its name says so: the more, the better.
pub fn role(path: &[String]) -> Option<(&'static str, usize)> {
    let (last, outer) = path.split_last()?;
    let (last, outer) = (plain(last), plain(&outer.join(" ")));
    let all = format!("{outer} {last}").trim().to_owned();
    if last == "name" && PEOPLE.contains(&outer.as_str()) {
        return Some(("name", weight(&all) * 100));
    }
    let mut best: Option<(&'static str, usize)> = None;
    for (role, words) in ROLES {
        for (place, word) in words.iter().enumerate() {
            let fit = match word.strip_prefix('=') {
                // A plain `name` within something else is the name of that.
                Some("name") if !outer.is_empty() => None,
                Some(word) => (all == word || last == word).then(|| weight(word)),
                None if all == *word || last == *word => Some(weight(word) + 1),
                None => contains(&all, word).then(|| weight(word)),
            };
            // The earlier words of a role are the better ones.
            let fit = fit.map(|fit| fit * 100 + 99 - place.min(99));
            if fit.is_some_and(|fit| best.is_none_or(|(_, best)| fit / 100 > best / 100)) {
                best = fit.map(|fit| (*role, fit));
            }
        }
    }
    best.filter(|(role, _)| !role.is_empty())
}

/// Whether the name is that of an id, a number or a code.
pub fn is_id(name: &str) -> bool {
    let name = plain(name);
    IDS.iter().any(|word| match word.is_ascii() {
        true => name.split(' ').next_back() == Some(word) || (name.len() > 5 && *word == "id" && name.ends_with("id")),
        false => name.ends_with(word),
    })
}

/// Lower case, words apart, without what stands in brackets: `姓 名(必填)` is `姓名`, `orderNo` is `order no`.
pub fn plain(name: &str) -> String {
    let (mut text, mut depth, mut lower) = (String::new(), 0usize, false);
    for c in name.chars() {
        match c {
            '(' | '（' | '[' | '【' => depth += 1,
            ')' | '）' | ']' | '】' => depth = depth.saturating_sub(1),
            _ if depth > 0 => {}
            c if c.is_alphanumeric() => {
                if c.is_uppercase() && lower {
                    text.push(' ');
                }
                lower = c.is_lowercase() || c.is_ascii_digit();
                text.extend(c.to_lowercase());
            }
            _ => text.push(' '),
        }
        lower &= c.is_alphanumeric();
    }
    text.split_whitespace().fold(String::new(), |text, word| {
        // Chinese has no words apart.
        let apart = text.ends_with(|c: char| c.is_ascii()) || word.starts_with(|c: char| c.is_ascii());
        if text.is_empty() || !apart { text + word } else { text + " " + word }
    })
}

/// Chinese words anywhere, others as whole words.
fn contains(text: &str, word: &str) -> bool {
    if word.is_ascii() { format!(" {text} ").contains(&format!(" {word} ")) } else { text.contains(word) }
}

/// A Chinese sign says as much as a few letters.
fn weight(word: &str) -> usize {
    word.chars().map(|c| if c.is_ascii() { 1 } else { 4 }).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &str) -> &'static str {
        let path: Vec<String> = path.split('.').map(str::to_owned).collect();
        role(&path).map_or("", |(role, _)| role)
    }

    #[test]
    fn columns_are_known_by_their_names() {
        for (name, role) in [
            ("姓名(必填)", "name"),
            ("姓 名", "name"),
            ("收银员姓名", ""),
            ("商品名称", "product_name"),
            ("手机号码", "phone"),
            ("电子邮箱", "email"),
            ("出生日期", "birthday"),
            ("会员卡号", "member_no"),
            ("小票号", "order_no"),
            ("退款单号", "refund_no"),
            ("行号", "line_no"),
            ("金额", "amount"),
            ("销售时间", "ordered_at"),
            ("评分(0-10)", "score"),
            ("开卡门店", ""),
            ("开卡日期", "joined"),
            ("Date of Birth", "birthday"),
            ("Created Time", "created"),
            ("Member No", "member_no"),
            ("Full Name", "name"),
            ("Mailing Street", "street"),
            ("Mailing State", "province"),
            ("Contact Id", "customer_id"),
            ("orderNo", "order_no"),
            ("receiver.name", "name"),
            ("user.name", "name"),
            ("user name", ""),
            ("product.name", "product_name"),
            ("campaign.name", ""),
            ("shop.name", "store_name"),
            ("receiver.mobile", "phone"),
            ("buyer.nick", ""),
            ("lines.num", "quantity"),
            ("refunds.refund_id", "refund_no"),
            ("payment_method", ""),
            ("post_fee", "shipping"),
            ("telemetry", ""),
            ("E-Mail", "email"),
            ("Qty.", "quantity"),
        ] {
            assert_eq!(of(name), role, "{name}");
        }
    }

    #[test]
    fn ids_are_known_by_how_their_names_end() {
        assert!(["答卷编号", "Contact Id", "order_id", "orderId", "orderid", "小票号"].iter().all(|name| is_id(name)));
        assert!(!["paid", "姓名", "note", "状态"].iter().any(|name| is_id(name)));
    }
}
