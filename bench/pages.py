"""What it costs to read an API's pages into a committed table, beside dlt's `rest_api` writing them to Parquet.

    bench/run pages [--pages 1000] [--rounds 3] [--url http://127.0.0.1:9555/]

Pages of 200 records, 74 MB in all with the default, served on 127.0.0.1. Both are timed as whole processes, processor
seconds of user and system; Tributary decodes amounts as decimals and commits raw rows with ledger and state.
"""

import argparse
import http.server
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import urllib.parse
from pathlib import Path

from load import run, size

PER_PAGE = 200
DLT = """
import dlt, os, sys
from dlt.sources.rest_api import rest_api_source
os.environ["DESTINATION__FILESYSTEM__BUCKET_URL"] = "file://" + os.getcwd() + "/dlt_out"
paginator = {"type": "page_number", "base_page": 1, "page_param": "page", "total_path": None, "stop_after_empty_page": True}
source = rest_api_source({
    "client": {"base_url": sys.argv[1], "paginator": paginator},
    "resources": [{"name": "contacts", "primary_key": "id", "endpoint": {"path": "/", "data_selector": "data"}}],
})
pipeline = dlt.pipeline("pages", destination="filesystem", dataset_name="d", pipelines_dir=os.getcwd() + "/dlt_pipelines")
print(pipeline.run(source, loader_file_format="parquet"))
"""


def page(number: int, last: int) -> bytes:
    records = []
    for key in range((number - 1) * PER_PAGE, number * PER_PAGE):
        records.append({
            "id": f"57257670{key:011d}",
            "Last_Name": f"张{key % 997}",
            "First_Name": "伟",
            "Email": f"u{key}@example.com",
            "Mobile": f"+86 138{key % 100_000_000:08d}",
            "Mailing_City": "杭州",
            "Account_Name": {"name": f"Retail {key % 50}", "id": f"5725767000000{key % 50}"},
            "Modified_Time": "2026-05-05T12:01:02+08:00",
            "Created_Time": "2025-05-05T12:01:02+08:00",
            "Amount": key % 10_000 / 100,
            "Tag": [{"name": "vip", "id": "1"}],
            "Description": None,
        })
    info = {"per_page": PER_PAGE, "count": PER_PAGE, "page": number, "more_records": number < last}
    return json.dumps({"data": records, "info": info}, ensure_ascii=False, separators=(",", ":")).encode()


def serve(pages: int) -> http.server.ThreadingHTTPServer:
    bodies = [page(number, pages) for number in range(1, pages + 1)]
    empty = b'{"data":[],"info":{"more_records":false}}'

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def do_GET(self) -> None:
            query = urllib.parse.parse_qs(urllib.parse.urlparse(self.path).query)
            number = int(query.get("page", ["1"])[0])
            body = bodies[number - 1] if number <= pages else empty
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--pages", type=int, default=1_000)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--url", help="of a server of the same pages that is there already")
    arguments.add_argument("--program", type=Path, default=Path("target/release/pages"))
    options = arguments.parse_args()
    if not options.program.exists():
        subprocess.check_call(["cargo", "build", "--release", "-p", "tributary", "-p", "pages"])
    program = options.program.resolve()
    url = options.url or f"http://127.0.0.1:{serve(options.pages).server_address[1]}/"
    rows = options.pages * PER_PAGE

    figures: dict[str, list[tuple[float, float, float, int]]] = {}
    with tempfile.TemporaryDirectory(dir=".") as name:
        scratch = Path(name).resolve()
        (scratch / "pages.toml").write_text(
            f'name = "pages"\nlake = "lake"\n\n[sources.api]\nconnector = "pages"\nurl = "{url}"\n', encoding="utf-8"
        )
        os.environ["XDG_STATE_HOME"] = str(scratch / "state")
        for _ in range(options.rounds):
            wall, processor, peak, _ = run([sys.executable, "-c", DLT, url], scratch)
            figures.setdefault("dlt", []).append((wall, processor, peak, size(scratch / "dlt_out")))
            shutil.rmtree(scratch / "dlt_out")
            shutil.rmtree(scratch / "dlt_pipelines", ignore_errors=True)
            wall, processor, peak, _ = run([str(program), "run", "pages.toml"], scratch)
            counted = subprocess.check_output(
                [program, "query", scratch / "lake", "SELECT count(DISTINCT id) AS n FROM raw.api_contacts", "--json"],
                text=True,
            )
            if json.loads(counted) not in ([{"n": rows}], {"n": rows}):
                sys.exit(f"{rows} records were served, and the lake has {counted}")
            written = size(scratch / "lake" / "raw" / "api_contacts")
            figures.setdefault("Tributary", []).append((wall, processor, peak, written))
            shutil.rmtree(scratch / "lake")

    print(f"{rows:,} records in {options.pages:,} pages; medians of {options.rounds} rounds; {os.cpu_count()} cores\n")
    print("| | wall s | processor s | dlt's to ours | peak MiB | MB written |")
    print("|---|---|---|---|---|---|")
    for name, rounds in figures.items():
        wall, processor, _, written = (statistics.median(column) for column in zip(*rounds))
        ratio = statistics.median(peer[1] / mine[1] for mine, peer in zip(rounds, figures["dlt"]))
        peak = max(row[2] for row in rounds)
        print(f"| {name} | {wall:.2f} | {processor:.2f} | {ratio:.1f} | {peak:.0f} | {written / 1e6:.1f} |")


if __name__ == "__main__":
    main()
