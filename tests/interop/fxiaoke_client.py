"""A published Python client of Fxiaoke against the made-up tenant: it must take the stand-in for the real thing.

    cargo run -p tributary-sandbox --example fxiaoke -- 0 600     # prints http://127.0.0.1:PORT
    python fxiaoke_client.py http://127.0.0.1:PORT

The client is as published; its hosts are literals, so that an adapter of its HTTP session takes what goes to them elsewhere. A token,
the acting user by mobile, descriptions, all pages of a preset and of a custom object, a filter, a refusal. The ids that came are
compared with those that the stand-in says it holds, and the log with what the client was asked to do.
"""

import argparse
import json
import sys
import urllib.request

from fxiaoke.api import FxiaokeApi
from fxiaoke.baseObj import baseObj
from fxiaoke.op_query import queryObj
from requests.adapters import HTTPAdapter

VENDOR = "https://open.fxiaoke.com"
CUSTOM = "object_Vk3Qd__c"
LIMIT = 20


class Elsewhere(HTTPAdapter):
    """Sends what is meant for the vendor to the stand-in."""

    def __init__(self, url):
        super().__init__()
        self.url = url

    def send(self, request, **options):
        request.url = request.url.replace(VENDOR, self.url, 1)
        return super().send(request, **options)


def control(url, method, name, body=None):
    """One of the stand-in's own controls."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{url}/_sandbox/{name}", data=data, method=method)
    with urllib.request.urlopen(request) as reply:
        return json.loads(reply.read() or b"null")


def check(what, came, expected):
    if came != expected:
        sys.exit(f"{what}: {came!r} came, {expected!r} was expected")


def compare(url, api, name):
    """All pages of an object, against the stand-in's own list."""
    before = len(control(url, "GET", "requests"))
    cursor = queryObj(api, name).execute(limit=LIMIT)
    rows = list(cursor)
    ids = [row["_id"] for row in rows]
    held = control(url, "GET", f"ids?table={name}") + control(url, "GET", f"invalid?table={name}")
    if len(set(ids)) != len(ids) or set(ids) != set(held):
        sys.exit(f"{name}: {len(ids)} rows came, {len(held)} are held, {len(set(ids) ^ set(held))} differ")
    check(f"the total of {name}", cursor.total(), len(held))
    pages = [entry for entry in control(url, "GET", "requests")[before:] if entry["path"].endswith("/data/query")]
    if len(pages) <= 2:
        sys.exit(f"{name}: only {len(pages)} pages")
    check(f"the path of {name}", {entry["path"] for entry in pages}, {path_of(name)})
    print(f"{name}: {len(rows)} rows in {len(pages)} pages")
    return rows


def path_of(name):
    return "/cgi/crm/custom/v2/data/query" if name.endswith("__c") else "/cgi/crm/v2/data/query"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    url = parser.parse_args().url

    api = FxiaokeApi.init(app_id="FSAID_sandbox", app_secret="secret", permanent_code="code")
    api._session.requests.mount(VENDOR, Elsewhere(url))
    found = api.call("POST", f"{VENDOR}/cgi/user/getByMobile", params={"mobile": "13800138000"})
    FxiaokeApi._open_user_id = found["empList"][0]["openUserId"]
    print("user: found by mobile")

    describe = baseObj(api, "ContactObj").describe()["describe"]
    check("the type of a mobile", describe["fields"]["mobile1"]["type"], "phone_number")
    print(f"describe: {len(describe['fields'])} fields")

    contacts = compare(url, api, "ContactObj")
    check("the form of owners", {row["owner"][0][:6] for row in contacts}, {"FSUID_"})
    visits = compare(url, api, CUSTOM)
    check("the type of an amount", {type(row["amount__c"]) for row in visits if "amount__c" in row}, {str})

    newest = max(row["last_modified_time"] for row in contacts)
    advanced = control(url, "POST", "advance", {"seconds": 3600, "changes": 400})
    newer = [{"field_name": "last_modified_time", "field_values": [newest], "operator": "GT"}]
    order = [{"fieldName": "last_modified_time", "isAsc": True}]
    changed = list(queryObj(api, "ContactObj").execute(filters=newer, orders=order, limit=LIMIT))
    told = {id for kind in ("created", "updated", "invalidated") for name, id in advanced[kind] if name == "ContactObj"}
    gone = {id for _, id in advanced["deleted"]}
    missing = told - gone - {row["_id"] for row in changed}
    void = {row["_id"] for row in changed if row["life_status"] == "invalid"}
    if missing or not void:
        sys.exit(f"changes: {len(missing)} did not come, {len(void)} are void")
    check("what was declared void", void, set(control(url, "GET", "invalid?table=ContactObj")))
    print(f"changes: {len(changed)} contacts, {len(void)} of them void")
    compare(url, api, "ContactObj")

    try:
        queryObj(api, "LeadObj").execute(limit=LIMIT)
        sys.exit("an unknown object was answered")
    except RuntimeError as error:
        if "10006" not in str(error):
            sys.exit(f"another refusal than expected: {error}")
    print("refusal: decoded")

    log = control(url, "GET", "requests")
    tokens = sum(entry["path"] == "/cgi/corpAccessToken/get/V2" for entry in log)
    check("the number of tokens", tokens, 1)
    print(f"log: {len(log)} requests, one token")


main()
