"""Zoho's own Python client against the made-up CRM: it must take the stand-in for the real thing.

    cargo run -p tributary-sandbox --example zoho -- 0 600     # prints http://127.0.0.1:PORT
    python zoho_sdk.py http://127.0.0.1:PORT

The client is as published; only its environment names another host. Lists, pages, empty answers, a query, a single record with
its subform, an upsert, deleted records, and a bulk job from its making to its rows. What the client made of an answer is checked
against what the stand-in says of itself, and the log against what the client was asked to do.
"""

import argparse
import csv
import io
import json
import tempfile
import time
import urllib.request
import zipfile
from datetime import datetime, timedelta, timezone
from pathlib import Path

from zohocrmsdk.src.com.zoho.api.authenticator import OAuthToken
from zohocrmsdk.src.com.zoho.api.authenticator.store import FileStore
from zohocrmsdk.src.com.zoho.crm.api import HeaderMap, Initializer, ParameterMap
from zohocrmsdk.src.com.zoho.crm.api.bulk_read import (
    APIException as BulkError,
    BodyWrapper as BulkBody,
    BulkReadOperations,
    Query,
)
from zohocrmsdk.src.com.zoho.crm.api.coql import BodyWrapper as CoqlBody, CoqlOperations
from zohocrmsdk.src.com.zoho.crm.api.dc import DataCenter
from zohocrmsdk.src.com.zoho.crm.api.modules import MinifiedModule
from zohocrmsdk.src.com.zoho.crm.api.record import APIException, BodyWrapper, Record, RecordOperations
from zohocrmsdk.src.com.zoho.crm.api.record.record_operations import (
    GetDeletedRecordsParam,
    GetRecordsHeader,
    GetRecordsParam,
)
from zohocrmsdk.src.com.zoho.crm.api.util import Choice

SHANGHAI = timezone(timedelta(hours=8))


def control(url, method, name, body=None):
    """One of the stand-in's own controls."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{url}/_sandbox/{name}", data=data, method=method)
    with urllib.request.urlopen(request) as reply:
        return json.loads(reply.read() or b"null")


def initialise(url, folder):
    environment = DataCenter.Environment(url, f"{url}/oauth/v2/token", url)
    token = OAuthToken(client_id="client", client_secret="secret", refresh_token="refresh")
    Initializer.initialize(
        environment=environment,
        token=token,
        store=FileStore(file_path=str(folder / "tokens.csv")),
        resource_path=str(folder),
    )


def parameters(*pairs):
    made = ParameterMap()
    for parameter, value in pairs:
        made.add(parameter, value)
    return made


def walk_contacts():
    """All contacts by page tokens; the client turns ids into numbers and times into its own zone."""
    contacts, page_token = {}, None
    while True:
        pairs = [
            (GetRecordsParam.fields, "Last_Name,Full_Name,Owner,Account_Name,Points,Interests,Tag,Gender,Modified_Time"),
            (GetRecordsParam.per_page, 100),
        ]
        if page_token:
            pairs.append((GetRecordsParam.page_token, page_token))
        reply = RecordOperations("Contacts").get_records(parameters(*pairs), HeaderMap())
        assert reply.get_status_code() == 200, reply.get_status_code()
        wrapper = reply.get_object()
        for record in wrapper.get_data():
            assert isinstance(record.get_id(), int) and record.get_id() > 2**53
            assert isinstance(record.get_modified_time(), datetime)
            contacts[str(record.get_id())] = record
        info = wrapper.get_info()
        if not info.get_more_records():
            return contacts
        page_token = info.get_next_page_token()


def list_empty(module, header_time=None, ids=None):
    pairs = [(GetRecordsParam.fields, "Last_Name")]
    if ids:
        pairs.append((GetRecordsParam.ids, ids))
    headers = HeaderMap()
    if header_time:
        headers.add(GetRecordsHeader.if_modified_since, header_time)
    return RecordOperations(module).get_records(parameters(*pairs), headers)


def query(text):
    body = CoqlBody()
    body.set_select_query(text)
    return CoqlOperations().get_records(body)


def bulk(folder):
    """The rows of a bulk job, by its CSV."""
    module = MinifiedModule()
    module.set_api_name("Contacts")
    wanted = Query()
    wanted.set_module(module)
    wanted.set_fields(["Last_Name", "Email", "Owner", "Account_Name"])
    body = BulkBody()
    body.set_query(wanted)
    operations = BulkReadOperations()
    reply = operations.create_bulk_read_job(body)
    assert reply.get_status_code() == 201, reply.get_status_code()
    added = reply.get_object().get_data()[0]
    assert added.get_status().get_value() == "success" and added.get_code().get_value() == "ADDED_SUCCESSFULLY"
    job = int(added.get_details()["id"])
    states = []
    while not states or states[-1] not in ("COMPLETED", "FAILURE"):
        detail = operations.get_bulk_read_job_details(job).get_object().get_data()[0]
        states.append(detail.get_state().get_value())
        time.sleep(0.02)
    # The clock runs too, so that a slow machine may miss a state on the way.
    assert states[-1] == "COMPLETED" and set(states) <= {"QUEUED", "IN PROGRESS", "COMPLETED"}, states
    stream = operations.download_result(job).get_object().get_file()
    packed = b"".join(stream.get_stream())
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        assert archive.namelist() == [f"{job}.csv"], archive.namelist()
        rows = list(csv.DictReader(io.TextIOWrapper(archive.open(f"{job}.csv"), "utf-8", newline="")))
    assert detail.get_result().get_count() == len(rows)
    return rows


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    url = parser.parse_args().url
    folder = Path(tempfile.mkdtemp())
    initialise(url, folder)
    truth = control(url, "GET", "truth")

    contacts = walk_contacts()
    assert set(contacts) == set(truth["crm.contacts"]), "the walk and the truth differ"
    some = next(iter(contacts.values()))
    assert some.get_key_value("Owner").get_name() and isinstance(some.get_key_value("Points"), int)
    assert any(isinstance(r.get_key_value("Gender"), Choice) for r in contacts.values())
    print(f"list: {len(contacts)} contacts")

    reply = list_empty("Contacts", ids="1")
    assert reply.get_status_code() == 204 and reply.get_object() is None
    now = datetime.fromisoformat(control(url, "GET", "clock")["time"])
    reply = list_empty("Contacts", header_time=now)
    assert reply.get_status_code() == 304 and reply.get_object() is None
    print("empty: 204 and 304")

    reply = RecordOperations("Contacts").get_records(parameters(), HeaderMap())
    assert reply.get_status_code() == 400 and isinstance(reply.get_object(), APIException)
    assert reply.get_object().get_code().get_value() == "REQUIRED_PARAM_MISSING"
    print("error: 400 decoded")

    reply = query(
        "select Full_Name, Account_Name, Account_Name.Account_Name from Contacts "
        "where Account_Name is not null order by id asc limit 2000"
    )
    rows = reply.get_object().get_data()
    assert rows and all(row.get_key_value("Account_Name.Account_Name") for row in rows)
    assert query("select id from Contacts where id = 1").get_status_code() == 204
    print(f"query: {len(rows)} contacts of an account")

    parents = query("select Parent_Id from Family_Members where id is not null limit 1").get_object().get_data()
    # The client knows no module for a query, so that a lookup stays as it came.
    parent = int(parents[0].get_key_value("Parent_Id")["id"])
    whole = RecordOperations("Contacts").get_record(parent, parameters(), HeaderMap()).get_object().get_data()[0]
    family = whole.get_key_value("Family_Members")
    assert family and family[0].get_key_value("Relation")
    print(f"record: {len(family)} in the subform")

    new = Record()
    new.add_key_value("Last_Name", "新")
    new.add_key_value("Email", "sdk@mail.example.com")
    body = BodyWrapper()
    body.set_data([new])
    results = [RecordOperations("Contacts").upsert_records(body, HeaderMap()).get_object().get_data()[0] for _ in "12"]
    assert [r.get_action().get_value() for r in results] == ["insert", "update"]
    print("upsert: insert, then update")

    gone = [id for module, id in control(url, "POST", "advance", {"seconds": 60, "changes": 200})["deleted"] if module == "Contacts"]
    pairs = parameters((GetDeletedRecordsParam.type, "all"))
    deleted = RecordOperations("Contacts").get_deleted_records(pairs, HeaderMap()).get_object().get_data()
    assert gone and {str(record.get_id()) for record in deleted} == set(gone)
    print(f"deleted: {len(gone)} contacts")

    rows = bulk(folder)
    assert {"Id", "Last_Name", "Email", "Owner", "Account_Name"} == set(rows[0])
    count = RecordOperations("Contacts").record_count(parameters()).get_object().get_count()
    assert len(rows) == count, (len(rows), count)
    print(f"bulk: {len(rows)} rows")

    reply = BulkReadOperations().get_bulk_read_job_details(17)
    assert reply.get_status_code() == 404 and isinstance(reply.get_object(), BulkError)

    log = control(url, "GET", "requests")
    refreshes = sum(entry["path"] == "/oauth/v2/token" for entry in log)
    assert refreshes == 1, f"{refreshes} tokens"
    print(f"log: {len(log)} requests, one token")


main()
