#!/usr/bin/env python3
"""Three ways to score a stream with one model, side by side: in the process, over HTTP, as a batch job over a file.

  approaches.py --millrace PATH --bootstrap HOST:PORT --database URL [--rate 500] [--seconds 15] [--rows 50000] [--server-python PYTHON]

Needs confluent-kafka and psycopg, a broker, and a PostgreSQL with track_commit_timestamp = on; the model server is Scripts/predict-server
and needs onnxruntime and numpy in --server-python. The model is the natality regression (XGBoost; ONNX Runtime behind HTTP); births
are the golden rows over and over, and every prediction is compared with theirs.

Latency: commit of the row's transaction minus the moment the event was due, at a fixed rate, first three seconds left out.
Throughput: a backlog, from the engine's start to the last commit. CPU: user and system time of the engine and of the model server
during the backlog. Broker and database are not counted: all approaches use them alike, the batch job not at all."""
import argparse, csv, json, os, resource, signal, subprocess, sys, tempfile, time, uuid
import psycopg
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

HERE = os.path.dirname(os.path.abspath(__file__))
FIXTURES = f"{HERE}/../Tests/MillraceModelsTests/Fixtures/natality"
NAMES = ["is_male", "mother_age", "plurality", "gestation_weeks", "cigarette_use", "weight_gain_pounds", "ever_born", "mother_married"]
GOLDEN = [{n: int(r[n]) if r[n] else None for n in NAMES} for r in csv.DictReader(open(f"{FIXTURES}/golden_inputs.csv"))]
EXPECTED = [float(r["xgb"]) for r in csv.DictReader(open(f"{FIXTURES}/golden_expected.csv"))]
TEXTS = [json.dumps(row)[1:] for row in GOLDEN]


def birth(i, ms):
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(ms // 1000)) + f".{ms % 1000:03d}Z"
    return f'{{"birth_id":{i},"event_time":"{stamp}",{TEXTS[i % len(TEXTS)]}'


def percentile(values, p):
    values = sorted(values)
    return values[min(len(values) - 1, int(p * len(values)))] if values else float("nan")


def cpu(pid):
    f = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(f[11]) + int(f[12])) / os.sysconf("SC_CLK_TCK")


def check(rows):
    for i, weight in rows:
        wanted = EXPECTED[i % len(EXPECTED)]
        if abs(weight - wanted) > 1e-5 * abs(wanted):
            sys.exit(f"row {i}: {weight} instead of {wanted}")


class Run:
    """A topic, a database and an engine over them."""

    def __init__(self, job, variables):
        self.topic, base = "births_" + uuid.uuid4().hex[:8], "bench_" + uuid.uuid4().hex[:8]
        self.base, self.job = base, job
        admin = AdminClient({"bootstrap.servers": a.bootstrap})
        admin.create_topics([NewTopic(self.topic, 1, 1)])[self.topic].result(10)
        with psycopg.connect(a.database, autocommit=True) as db:
            db.execute(f"CREATE DATABASE {base}")
        self.url = a.database.rsplit("/", 1)[0] + "/" + base
        self.db = psycopg.connect(self.url, autocommit=True)
        self.db.execute("CREATE TABLE predictions (birth_id bigint, event_time timestamptz, weight_pounds float8)")
        self.producer = Producer({"bootstrap.servers": a.bootstrap, "linger.ms": 0, "queue.buffering.max.messages": 1_000_000})
        self.variables = {"topic": self.topic, "bootstrap": a.bootstrap, "database": self.url, **variables}

    def start(self):
        sets = [x for k, v in self.variables.items() for x in ("--set", f"{k}={v}")]
        self.engine = subprocess.Popen([a.millrace, "run", f"{HERE}/jobs/approaches/{self.job}.sql", "--log-level", "warning", *sets])

    def count(self):
        return self.db.execute("SELECT count(*) FROM predictions").fetchone()[0]

    def close(self):
        check(self.db.execute("SELECT birth_id, weight_pounds FROM predictions").fetchall())
        letters = self.db.execute("SELECT count(*) FROM millrace.dead_letter").fetchone()[0]
        if letters:
            sys.exit(f"{letters} dead letters")
        self.engine.send_signal(signal.SIGTERM)
        if self.engine.wait(20):
            sys.exit("the engine failed")
        self.db.close()
        with psycopg.connect(a.database, autocommit=True) as db:
            db.execute(f"DROP DATABASE {self.base} WITH (FORCE)")


def latency(job, variables):
    run = Run(job, variables)
    run.producer.produce(run.topic, birth(0, int(time.time() * 1000))); run.producer.flush()
    run.start()
    while run.count() == 0:
        time.sleep(0.01)
    time.sleep(1)
    start, sent = time.time(), 0
    while time.time() - start < a.seconds:
        due = int((time.time() - start) * a.rate)
        while sent < due:
            sent += 1
            ms = int((start + sent / a.rate) * 1000)
            run.producer.produce(run.topic, birth(sent, ms), timestamp=ms)
        run.producer.poll(0)
        time.sleep(0.0005)
    run.producer.flush()
    until = time.time() + 20
    while run.count() < sent + 1 and time.time() < until:
        time.sleep(0.1)
    values = [float(v) for (v,) in run.db.execute(
        "SELECT extract(epoch FROM pg_xact_commit_timestamp(xmin) - event_time) * 1000 FROM predictions WHERE event_time >= to_timestamp(%s)", (start + 3,))]
    if run.count() < sent + 1:
        print(f"# {job}: {run.count()} of {sent + 1} rows came through at this rate", file=sys.stderr)
    run.close()
    return percentile(values, .5), percentile(values, .99)


def backlog(job, variables, server):
    run = Run(job, variables)
    now = int(time.time() * 1000)
    for i in range(a.rows):
        run.producer.produce(run.topic, birth(i, now))
        if i % 1000 == 0:
            run.producer.poll(0)
    run.producer.flush()
    before, began = server and cpu(server.pid), time.time()
    run.start()
    while run.count() < a.rows:
        time.sleep(0.02)
    took, used = time.time() - began, cpu(run.engine.pid)
    asked = cpu(server.pid) - before if server else 0
    run.close()
    return a.rows / took, used, asked


def batch():
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/births.json", "w") as f:
            for i in range(a.rows):
                f.write(birth(i, 1_700_000_000_000 + i) + "\n")
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.time()
        subprocess.run([a.millrace, "run", f"{HERE}/jobs/approaches/batch.sql", "--log-level", "warning", "--set", f"input={folder}/births.json",
                        "--set", f"output={folder}/predictions.json"], check=True)
        took, after = time.time() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        rows = [json.loads(line) for line in open(f"{folder}/predictions.json")]
        if len(rows) != a.rows:
            sys.exit(f"{len(rows)} rows instead of {a.rows}")
        check((r["birth_id"], r["weight_pounds"]) for r in rows)
        return a.rows / took, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 0


def start_server():
    server = subprocess.Popen([a.server_python, f"{HERE}/../Scripts/predict-server", "--with-parent", "--trees", f"{FIXTURES}/natality_xgb.json", "--onnx", f"{FIXTURES}/natality_xgb.onnx"],
                              stdout=subprocess.PIPE, text=True)
    return server, f"http://127.0.0.1:{server.stdout.readline().strip().removeprefix('port=')}/v1/models/onnx:predict"


p = argparse.ArgumentParser()
p.add_argument("--millrace", required=True); p.add_argument("--bootstrap", required=True); p.add_argument("--database", required=True)
p.add_argument("--rate", type=int, default=500); p.add_argument("--seconds", type=float, default=15); p.add_argument("--rows", type=int, default=50_000)
p.add_argument("--server-python", default=sys.executable)
a = p.parse_args()
server, url = start_server()
try:
    print(f"| approach | p50 ms at {a.rate}/s | p99 ms | rows/s of a backlog | engine CPU ms per 1,000 | server CPU ms per 1,000 | together |\n|" + "---|" * 7)
    for name, job, variables in [
        ("in process", "in_process", {}), ("HTTP, row by row", "http", {"url": url, "batch": "1"}),
        ("HTTP, at most 64 rows", "http", {"url": url, "batch": "64"}), ("batch job over a file", None, {}),
    ]:
        p50, p99 = latency(job, variables) if job else (float("nan"),) * 2
        speed, used, asked = backlog(job, variables, server if job == "http" else None) if job else batch()
        share = 1_000_000 / a.rows
        shown = [f"{p50:.2f}", f"{p99:.2f}"] if job else ["the next run", ""]
        print("| " + " | ".join([name, *shown, f"{speed:,.0f}", f"{used * share:.1f}", f"{asked * share:.1f}", f"{(used + asked) * share:.1f}"]) + " |", flush=True)
finally:
    server.terminate()
