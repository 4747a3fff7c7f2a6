#!/usr/bin/env python3
"""Event-to-commit latency of the example pipelines at a fixed offered load.

  pipelines.py --millrace PATH --bootstrap HOST:PORT --database URL [--pipelines job_a,fraud] [--rates 1000,5000] [--seconds 15] [--repeat 3]

Needs confluent-kafka and psycopg, a broker (one without transactions: --set delivery=at-least-once), and a PostgreSQL with track_commit_timestamp = on. Events are due at fixed
times and sent by the clock, so a stall of anything counts. job_a (the stateless scoring job of `make bench`), fraud: commit of the
row's transaction minus the moment the event was due. baby_weight: minus the event's own time (milliseconds). sales_by_region:
commit of a window's row minus the moment the watermark passed its end, which is window end + 1 s, the table's bound. The first
three seconds are left out. With --repeat the pipelines take turns, and with several of them the last lines compare each with the
first: the ratio of p50 and p99, the median of the turns."""
import argparse, json, os, random, signal, statistics, subprocess, tempfile, time, uuid
import psycopg
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

HERE = os.path.dirname(os.path.abspath(__file__))
STATES = "AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK OR PA RI SC SD TN TX UT VT VA WA WV WI WY".split()


def stamp(ms):
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(ms // 1000)) + f".{ms % 1000:03d}Z"


def birth(i, ms):
    return json.dumps({"birth_id": i, "event_time": stamp(ms), "is_male": i % 2 == 0, "mother_age": 18 + i % 25, "plurality": 1,
                       "gestation_weeks": 36 + i % 6, "cigarette_use": i % 9 == 0, "weight_gain_pounds": 10 + i % 40, "ever_born": 1 + i % 3, "mother_married": i % 3 > 0})


def sale(i, ms):
    return json.dumps({"tr_time_str": stamp(ms), "first_name": "Ada", "last_name": "Lovelace", "city": "Salem", "state": STATES[i % 50],
                       "product": "Product 2", "amount": round(10 + i % 500 / 7, 2)})


def transaction(i, ms):
    # Accounts in turn: partition i % n holds an account's rows as long as n divides their number.
    account = i * 7919 % 100_000
    return json.dumps({"account": f"acct-{account}", "event_ms": ms, "amount": round(5 + account % 97 / 3 + i % 13, 2), "merchant_category": CATEGORIES[i % 8],
                       "country": COUNTRIES[(account + (i % 50 == 0)) % 8], "card_present": i % 2})


def payment(i, ms):
    return json.dumps({"event_id": i, "ts": ms * 1000, "account": f"acc{i * 7919 % 100_000:06d}", "amount": i * 37 % 500_000 / 100, "country": COUNTRIES_A[i % 10],
                       **{f"f{k}": (i * 7907 * k % 20_000 - 10_000) / 10_000 for k in range(1, 9)}})


def trees(path):
    """100 full trees of depth 6 over job A's ten features, as LightGBM writes them."""
    random.seed(7)
    inner, blocks = range(63), []
    for index in range(100):
        features = [random.randrange(10) for _ in inner]
        thresholds = [random.uniform(*((0, 5000) if f == 0 else (0, 9) if f == 1 else (-1, 1))) for f in features]
        child = [c if c < 63 else ~(c - 63) for c in range(1, 127)]
        fields = {"split_feature": features, "split_gain": [1] * 63, "threshold": thresholds, "decision_type": [2] * 63, "left_child": child[0::2], "right_child": child[1::2],
                  "leaf_value": [(random.random() - 0.5) / 5 for _ in range(64)], "leaf_weight": [1] * 64, "leaf_count": [1] * 64,
                  "internal_value": [0] * 63, "internal_weight": [1] * 63, "internal_count": [1] * 63}
        blocks.append(f"Tree={index}\nnum_leaves=64\nnum_cat=0\n" + "".join(f"{k}={' '.join(map(str, v))}\n" for k, v in fields.items()) + "is_linear=0\nshrinkage=1\n\n\n")
    names = "amount country f1 f2 f3 f4 f5 f6 f7 f8"
    with open(path, "w") as file:
        file.write(f"tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\nmax_feature_idx=9\nobjective=binary sigmoid:1\nfeature_names={names}\n"
                   f"feature_infos={' '.join(['none'] * 10)}\ntree_sizes={' '.join(str(len(b)) for b in blocks)}\n\n" + "".join(blocks)
                   + "end of trees\n\nfeature_importances:\n\nparameters:\nend of parameters\n")


def job_a(a, topic, url):
    """Job A's file with its names filled in, and its table."""
    folder = tempfile.mkdtemp(prefix="millrace-bench-")
    trees(f"{folder}/model.txt")
    text = open(f"{HERE}/jobs/job_a.sql").read()
    for name, value in [("TABLE", "scored"), ("TOPIC", topic), ("BOOTSTRAP", a.bootstrap), ("MODEL", f"{folder}/model.txt"), ("PGURL", url)]:
        text = text.replace("{" + name + "}", value)
    with open(f"{folder}/job_a.sql", "w") as file:
        file.write(text)
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("CREATE TABLE scored (event_id bigint, ts bigint, account text, amount float8, country text, score float8)")
    return f"{folder}/job_a.sql"


COUNTRIES_A = ["US", "GB", "DE", "FR", "KR", "JP", "BR", "IN", "NG", "CA"]
CATEGORIES = ["grocery", "restaurant", "fuel", "online_retail", "electronics", "travel", "gift_card", "cash_advance"]
COUNTRIES = ["KR", "US", "JP", "DE", "VN", "BR", "NG", "GB"]
PIPELINES = {
    "baby_weight": ("births", birth, "SELECT extract(epoch FROM pg_xact_commit_timestamp(xmin) - event_time) * 1000 FROM birth_predictions WHERE event_time >= to_timestamp(%s)"),
    "sales_by_region": ("transactions", sale, "SELECT extract(epoch FROM pg_xact_commit_timestamp(xmin) - (period_start AT TIME ZONE 'UTC') - interval '6 s') * 1000 FROM sales_by_region WHERE period_start AT TIME ZONE 'UTC' >= to_timestamp(%s)"),
    # The event's number, from which its due time follows, and the commit.
    "job_a": ("bench_payments", payment, "SELECT event_id, extract(epoch FROM pg_xact_commit_timestamp(xmin)) FROM scored WHERE ts >= %s * 1000000"),
    "fraud": ("transactions", transaction, "SELECT kafka_offset * {partitions} + kafka_partition, extract(epoch FROM pg_xact_commit_timestamp(xmin)) FROM fraud_scores WHERE event_time >= to_timestamp(%s)"),
}
RESULT_TOPICS = {"fraud": ["fraud_alerts"]}


def percentile(values, p):
    values = sorted(values)
    return values[min(len(values) - 1, int(p * len(values)))] if values else float("nan")


def status(pid, key):
    for line in open(f"/proc/{pid}/status"):
        if line.startswith(key):
            return int(line.split()[1]) / 1024


def cpu(pid):
    f = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(f[11]) + int(f[12])) / os.sysconf("SC_CLK_TCK")


def measure(a, name, rate):
    topic, make, query = PIPELINES[name]
    admin = AdminClient({"bootstrap.servers": a.bootstrap})
    try:
        admin.delete_topics([topic])[topic].result(10)
    except Exception:
        pass  # it was not there
    admin.create_topics([NewTopic(topic, a.partitions, 1)])[topic].result(10)
    for other in RESULT_TOPICS.get(name, []):
        try:
            admin.create_topics([NewTopic(other, 1, 1)])[other].result(10)
        except Exception:
            pass  # it is there
    base = "bench_" + uuid.uuid4().hex[:8]
    with psycopg.connect(a.database, autocommit=True) as db:
        db.execute(f"CREATE DATABASE {base}")
    url = a.database.rsplit("/", 1)[0] + "/" + base
    producer = Producer({"bootstrap.servers": a.bootstrap, "linger.ms": 0, "queue.buffering.max.ms": 0})
    producer.produce(topic, make(0, int(time.time() * 1000)), partition=0); producer.flush()
    began = time.time()
    file = job_a(a, topic, url) if name == "job_a" else f"{HERE}/../pipelines/{name}.sql"
    if a.settings:
        # Beside the file, so that paths of models stay.
        text = a.settings + "\n" + open(file).read()
        file = f"{HERE}/../pipelines/.{base}.sql"
        open(file, "w").write(text)
    engine = subprocess.Popen([a.millrace, "run", file, "--set", f"bootstrap={a.bootstrap}", "--set", f"database={url}", "--log-level", "warning", *(word for each in a.set for word in ("--set", each))])
    db = psycopg.connect(url, autocommit=True)
    first = None
    while first is None and time.time() - began < 20:
        try:
            row = db.execute("SELECT min(started_at) FROM millrace.runs").fetchone()
            first = row and row[0]
        except psycopg.errors.Error:
            pass
        time.sleep(0.005)
    time.sleep(1)
    start, sent, cpu0 = time.time(), 0, cpu(engine.pid)
    while time.time() - start < a.seconds:
        due = int((time.time() - start) * rate)
        while sent < due:
            sent += 1
            ms = int((start + sent / rate) * 1000)
            producer.produce(topic, make(sent, ms), timestamp=ms, partition=sent % a.partitions)
        producer.poll(0)
        time.sleep(0.0005)
    took, used = time.time() - start, cpu(engine.pid) - cpu0
    producer.flush()
    time.sleep(1.5)
    peak = status(engine.pid, "VmHWM")
    rows = db.execute(query.format(partitions=a.partitions), (start + 3,)).fetchall()
    if rows and len(rows[0]) == 2:
        values = [(float(commit) - start - int(number) / rate) * 1000 for number, commit in rows]
    else:
        values = [float(v) for (v,) in rows if v is not None]
    if name == "sales_by_region":
        # Windows whose end the watermark passed while events were flowing; the last ones close by the idle rule.
        values = [v for v in values if v < 500]
    engine.send_signal(signal.SIGTERM)
    code = engine.wait(15)
    if a.settings:
        os.unlink(file)
    print(f"| {name} | {rate} | {len(values)} | {percentile(values, .5):.2f} | {percentile(values, .9):.2f} | {percentile(values, .99):.2f} | {max(values):.2f} | {used / took:.2f} | {peak:.0f} | {code} |", flush=True)
    db.close()
    with psycopg.connect(a.database, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {base} WITH (FORCE)")
    return percentile(values, .5), percentile(values, .99)


p = argparse.ArgumentParser()
p.add_argument("--millrace", required=True); p.add_argument("--bootstrap", required=True); p.add_argument("--database", required=True)
p.add_argument("--pipelines", default=",".join(PIPELINES)); p.add_argument("--rates", default="1000,5000"); p.add_argument("--seconds", type=float, default=15); p.add_argument("--partitions", type=int, default=1); p.add_argument("--repeat", type=int, default=1); p.add_argument("--set", action="append", default=[])
p.add_argument("--settings", default="", help="SQL in front of the file, such as \"SET 'state.snapshots' = 'off';\"")
a = p.parse_args()
print("| pipeline | events/s | rows | p50 ms | p90 | p99 | max | engine CPU, cores | peak MiB | exit |\n|" + "---|" * 10)
names, rates = a.pipelines.split(","), [int(rate) for rate in a.rates.split(",")]
results = {(name, rate): [] for name in names for rate in rates}
for rate in rates:
    for turn in range(a.repeat):
        for name in names:
            results[name, rate].append(measure(a, name, rate))
for name in names[1:]:
    for rate in rates:
        ratios = [[own[i] / first[i] for own, first in zip(results[name, rate], results[names[0], rate])] for i in (0, 1)]
        print(f"{name} over {names[0]} at {rate}/s: p50 {statistics.median(ratios[0]):.2f}, p99 {statistics.median(ratios[1]):.2f}"
              + (f" ({', '.join(f'{r:.2f}' for r in sorted(ratios[1]))})" if a.repeat > 1 else ""))
