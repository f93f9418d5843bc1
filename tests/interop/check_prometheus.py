"""/metrics as a real Prometheus reads it: its linter on the text, and its answers to queries once it has scraped a running server."""
import json
import re
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request

import common

HISTOGRAMS = ["time_to_first_token", "inter_token", "request", "queue", "prefill", "decode"]


def fetch(url, body=None):
    request = urllib.request.Request(url, body and json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read().decode()


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def ask_owlet(url, n):
    for i in range(n):
        fetch(f"{url}/v1/completions", {"prompt": "Once upon a time", "max_tokens": 4, "seed": i, "ignore_eos": True})


def check_text(report, url):
    done = subprocess.run(["promtool", "check", "metrics"], input=fetch(f"{url}/metrics"), capture_output=True, text=True, timeout=60)
    report.check(done.returncode == 0, "promtool has nothing to say", (done.stdout + done.stderr)[:300])


def query(prometheus, what):
    found = json.loads(fetch(f"{prometheus}/api/v1/query?query={urllib.parse.quote(what)}"))["data"]["result"]
    return float(found[0]["value"][1]) if found else None


def check_queries(report, url, prometheus):
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            if query(prometheus, "owlet_generated_tokens_total") == 40:
                break
        except OSError:
            pass
        time.sleep(0.5)
    report.check(query(prometheus, "up") == 1, "it is up")
    report.check(query(prometheus, "owlet_generated_tokens_total") == 40, "tokens are counted")
    report.check(query(prometheus, 'owlet_answers_total{finish_reason="length"}') == 10, "answers are counted by how they ended")
    for name in HISTOGRAMS:
        median = query(prometheus, f"histogram_quantile(0.5, owlet_{name}_seconds_bucket)")
        report.check(median is not None and 0 < median <= 300, f"the median of {name}", f"{median} s")
    own = re.findall(r"^# TYPE (\w+)", fetch(f"{url}/metrics"), re.M)
    known = json.loads(fetch(f"{prometheus}/api/v1/metadata"))["data"]
    report.check(all(name in known for name in own), "every metric is known", f"{len(own)}")


def main():
    options = common.arguments(__doc__)
    report = common.Report()
    if not shutil.which("prometheus"):
        report.skip("prometheus", "is not installed")
        report.finish()
    port = free_port()
    with common.Server(options.owlet) as server:
        ask_owlet(server.url, 10)
        report.attempt("promtool", check_text, report, server.url)
        config, target = options.work / "prometheus.yml", server.url.removeprefix("http://")
        config.write_text(f"global: {{scrape_interval: 1s}}\nscrape_configs: [{{job_name: owlet, static_configs: [{{targets: ['{target}']}}]}}]\n")
        prometheus = subprocess.Popen(["prometheus", f"--config.file={config}", f"--storage.tsdb.path={options.work / 'series'}",
                                       f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"])
        try:
            report.attempt("queries", check_queries, report, server.url, f"http://127.0.0.1:{port}")
        finally:
            prometheus.terminate()
            prometheus.wait(timeout=60)
    report.finish()


if __name__ == "__main__":
    main()
