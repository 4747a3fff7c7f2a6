#!/usr/bin/env python3
"""Restart time and state in the database of pipelines/fraud.sql, or of `--sql FILE` that reads and writes the same tables.

  restart.py --millrace PATH --bootstrap HOST:PORT --database URL [--accounts 1000000] [--rows 3] [--set key=value]

Sends `rows` transactions of each account, a minute of event time apart in which all accounts have one; waits until all are scored; stops
the engine; sends one more; measures from exec until its score is committed. Prints state in bytes, by account, and the engine's memory.
Needs confluent-kafka and psycopg."""
import argparse, json, os, signal, subprocess, time, uuid
import psycopg
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

HERE = os.path.dirname(os.path.abspath(__file__))
CATEGORIES = ["grocery", "restaurant", "fuel", "online_retail", "electronics", "travel", "gift_card", "cash_advance"]
COUNTRIES = ["KR", "US", "JP", "DE", "VN", "BR", "NG", "GB"]
START = 1_735_689_600_000


def transaction(account, turn, accounts):
    ms = START + turn * 3_600_000 + account * 3_600_000 // accounts
    return json.dumps({"account": f"acct-{account}", "event_ms": ms, "amount": round(5 + account % 97 / 3 + turn, 2),
                       "merchant_category": CATEGORIES[account % 8], "country": COUNTRIES[(account + turn // 3) % 8], "card_present": turn % 2})


def memory(pid):
    return {key: int(line.split()[1]) / 1024 for line in open(f"/proc/{pid}/status") for key in ["VmHWM", "VmRSS"] if line.startswith(key)}


def main():
    p = argparse.ArgumentParser()
    for name, default in [("--millrace", None), ("--bootstrap", "localhost:9092"), ("--database", "postgresql://localhost/postgres"), ("--sql", f"{HERE}/../pipelines/fraud.sql")]:
        p.add_argument(name, default=default, required=default is None)
    for name, default in [("--accounts", 1_000_000), ("--rows", 3), ("--partitions", 2), ("--restarts", 3)]:
        p.add_argument(name, type=int, default=default)
    p.add_argument("--kill", action="store_true", help="stop with SIGKILL instead of SIGTERM")
    a = p.parse_args()
    name = "restart-" + uuid.uuid4().hex[:8]
    admin = AdminClient({"bootstrap.servers": a.bootstrap})
    for topic, partitions in [(name, a.partitions), (name + "-alerts", 1)]:
        admin.create_topics([NewTopic(topic, partitions, 1)])[topic].result(10)
    base = name.replace("-", "_")
    with psycopg.connect(a.database, autocommit=True) as db:
        db.execute(f"CREATE DATABASE {base}")
    url = a.database.rsplit("/", 1)[0] + "/" + base
    folder = os.path.dirname(os.path.abspath(a.sql))
    text = open(a.sql).read().replace("'topic' = 'transactions'", f"'topic' = '{name}'").replace("'topic' = 'fraud_alerts'", f"'topic' = '{name}-alerts'")
    file = f"/tmp/{name}.sql"
    open(file, "w").write(text.replace("'models/", f"'{folder}/models/"))

    def start():
        began = time.time()
        return began, subprocess.Popen([a.millrace, "run", file, "--set", f"bootstrap={a.bootstrap}", "--set", f"database={url}", "--log-level", "warning"])

    producer = Producer({"bootstrap.servers": a.bootstrap, "linger.ms": 20, "queue.buffering.max.messages": 1_000_000})
    began, engine = start()
    for turn in range(a.rows):
        for account in range(a.accounts):
            while True:
                try:
                    producer.produce(name, transaction(account, turn, a.accounts), partition=account % a.partitions)
                    break
                except BufferError:
                    producer.poll(0.05)
    producer.flush()
    db = psycopg.connect(url, autocommit=True)
    total = a.accounts * a.rows
    one = lambda sql: db.execute(sql).fetchone()[0]
    read = "SELECT coalesce(sum(next_offset), 0) FROM millrace.offsets WHERE source NOT LIKE '(%'"
    while one(read) < total:
        assert engine.poll() is None, "the engine has ended"
        time.sleep(0.2)
    print(f"built: {total} rows in {time.time() - began:.1f} s, engine {memory(engine.pid)} MB", flush=True)
    engine.send_signal(signal.SIGKILL if a.kill else signal.SIGTERM)
    engine.wait(30)
    for restart in range(a.restarts):
        state, groups = db.execute("SELECT coalesce(sum(length(snapshot)), 0), count(*) FROM millrace.state").fetchone()
        log, entries = db.execute("SELECT coalesce(sum(length(changes)), 0), count(*) FROM millrace.state_log").fetchone()
        size = one("SELECT sum(pg_total_relation_size(c)) FROM unnest(ARRAY['millrace.state', 'millrace.state_log']::regclass[]) AS c")
        producer.produce(name, transaction(7 + restart, a.rows, a.accounts), partition=(7 + restart) % a.partitions)
        producer.flush()
        total += 1
        began, engine = start()
        while one("SELECT count(*) FROM fraud_scores WHERE event_time >= to_timestamp(%d)" % (START // 1000 + a.rows * 3600)) <= restart:
            assert engine.poll() is None, "the engine has ended"
            time.sleep(0.005)
        took = time.time() - began
        print(f"restart: {took:.2f} s; snapshots {state} B in {groups} groups, log {log} B in {entries} entries: {float(state + log) / a.accounts:.0f} B an account"
              f" ({float(size) / a.accounts:.0f} B on disk); engine {memory(engine.pid)} MB", flush=True)
        engine.send_signal(signal.SIGTERM)
        engine.wait(30)
    db.close()
    with psycopg.connect(a.database, autocommit=True) as admin_db:
        admin_db.execute(f"DROP DATABASE {base} WITH (FORCE)")
    os.unlink(file)


main()
